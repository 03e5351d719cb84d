#include "nodes.h"

using namespace Pylon;

// Settings of chunks, which the maps of results have too.
static bool is_setting(const std::string& name)
{
    return name == "ChunkModeActive" || name == "ChunkSelector" || name == "ChunkEnable";
}

static bool has_value(const GenApi::INode* node)
{
    const uint32_t kind = kind_of(*node);
    return kind != FB_KIND_OTHER && kind != FB_KIND_COMMAND && GenApi::IsReadable(node);
}

static void find_chunks(fb_camera* camera, GenApi::INodeMap& map)
{
    camera->chunk_names.clear();
    GenApi::NodeList_t nodes;
    map.GetNodes(nodes);
    for (GenApi::INode* node : nodes)
    {
        const std::string name = node->GetName().c_str();
        if (name.compare(0, 5, "Chunk") == 0 && !is_setting(name) && has_value(node))
        {
            camera->chunk_names.push_back(name);
        }
    }
    camera->knows_chunks = true;
}

static void read_chunk(GenApi::INode* node, fb_chunk& chunk)
{
    switch (kind_of(*node))
    {
        case FB_KIND_INTEGER:
            chunk.type = FB_CHUNK_INTEGER;
            chunk.integer = GenApi::CIntegerPtr(node)->GetValue();
            break;
        case FB_KIND_FLOAT:
            chunk.type = FB_CHUNK_FLOAT;
            chunk.number = GenApi::CFloatPtr(node)->GetValue();
            break;
        case FB_KIND_BOOLEAN:
            chunk.type = FB_CHUNK_BOOLEAN;
            chunk.integer = GenApi::CBooleanPtr(node)->GetValue() ? 1 : 0;
            break;
        default:
            chunk.type = FB_CHUNK_TEXT;
            copy_text(chunk.text, sizeof chunk.text, GenApi::CValuePtr(node)->ToString().c_str());
            chunk.text_bytes = static_cast<uint32_t>(std::strlen(chunk.text));
            break;
    }
}

int fb_pylon_chunks(fb_camera* camera, uint32_t index, fb_chunk* chunks, uint32_t room, fb_failure* failure)
{
    int found = 0;
    const bool done = guarded(failure, [&] {
        GenApi::INodeMap& map = camera->results.at(index)->GetChunkDataNodeMap();
        if (!camera->knows_chunks)
        {
            find_chunks(camera, map);
        }
        for (const std::string& name : camera->chunk_names)
        {
            GenApi::INode* node = map.GetNode(name.c_str());
            if (static_cast<uint32_t>(found) < room && node != nullptr && GenApi::IsReadable(node))
            {
                chunks[found].name = name.c_str();
                read_chunk(node, chunks[found]);
                ++found;
            }
        }
    });
    return done ? found : -1;
}
