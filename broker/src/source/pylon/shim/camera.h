// One camera and the grab results that are kept.
#pragma once

#include "factory.h"
#include "guard.h"

#include <memory>
#include <string>
#include <vector>

struct fb_camera
{
    // pylon-cxx's, which deletes it.
    Pylon::CInstantCamera* instant;
    std::shared_ptr<Places> places;
    // By segment index, for all that were offered: so keeping a result takes no memory.
    std::vector<Pylon::CGrabResultPtr> results;
    Pylon::CGrabResultPtr arriving;
    // Names of the chunk features that have a value, found with the first frame after a start.
    std::vector<std::string> chunk_names;
    bool knows_chunks = false;

    GenApi::INodeMap& map(uint32_t which)
    {
        return which == FB_MAP_STREAM ? instant->GetStreamGrabberNodeMap() : instant->GetNodeMap();
    }
};
