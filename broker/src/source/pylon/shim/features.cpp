#include "camera.h"

using namespace Pylon;

static uint32_t kind_of(const GenApi::INode& node)
{
    switch (node.GetPrincipalInterfaceType())
    {
        case GenApi::intfIInteger:
            return FB_KIND_INTEGER;
        case GenApi::intfIFloat:
            return FB_KIND_FLOAT;
        case GenApi::intfIBoolean:
            return FB_KIND_BOOLEAN;
        case GenApi::intfIEnumeration:
            return FB_KIND_ENUMERATION;
        case GenApi::intfIString:
            return FB_KIND_TEXT;
        case GenApi::intfICommand:
            return FB_KIND_COMMAND;
        default:
            return FB_KIND_OTHER;
    }
}

static uint32_t access_of(const GenApi::INode& node)
{
    switch (node.GetAccessMode())
    {
        case GenApi::RW:
        case GenApi::WO:
            return FB_ACCESS_WRITABLE;
        case GenApi::RO:
            return FB_ACCESS_READ_ONLY;
        default:
            return FB_ACCESS_UNAVAILABLE;
    }
}

static GenApi::INode* node_of(fb_camera* camera, uint32_t map, const char* name)
{
    GenApi::INode* node = camera->map(map).GetNode(name);
    if (node == nullptr)
    {
        throw RUNTIME_EXCEPTION("there is no such feature");
    }
    return node;
}

static int64_t integer_of(GenApi::INode* node)
{
    auto* enumeration = dynamic_cast<GenApi::IEnumeration*>(node);
    return enumeration != nullptr ? enumeration->GetIntValue() : GenApi::CIntegerPtr(node)->GetValue();
}

bool fb_pylon_feature(
    fb_camera* camera, uint32_t map, const char* name, uint32_t* kind, uint32_t* access, fb_failure* failure)
{
    return guarded(failure, [&] {
        const GenApi::INode* node = camera->map(map).GetNode(name);
        // pylon's maps know features that this camera has not: as good as none.
        const bool is_missing = node == nullptr || node->GetAccessMode() == GenApi::NI;
        *kind = is_missing ? uint32_t{FB_KIND_OTHER} : kind_of(*node);
        *access = is_missing ? uint32_t{FB_ACCESS_MISSING} : access_of(*node);
    });
}

bool fb_pylon_feature_integer(fb_camera* camera, uint32_t map, const char* name, int64_t* value, fb_failure* failure)
{
    return guarded(failure, [&] { *value = integer_of(node_of(camera, map, name)); });
}

bool fb_pylon_feature_increment(fb_camera* camera, const char* name, int64_t* increment, fb_failure* failure)
{
    return guarded(failure, [&] { *increment = GenApi::CIntegerPtr(node_of(camera, FB_MAP_CAMERA, name))->GetInc(); });
}

bool fb_pylon_feature_text(fb_camera* camera, const char* name, char* text, size_t room, fb_failure* failure)
{
    return guarded(failure, [&] {
        copy_text(text, room, GenApi::CValuePtr(node_of(camera, FB_MAP_CAMERA, name))->ToString().c_str());
    });
}

bool fb_pylon_feature_set(fb_camera* camera, const char* name, const char* text, fb_failure* failure)
{
    return guarded(failure, [&] {
        GenApi::INode* node = node_of(camera, FB_MAP_CAMERA, name);
        if (kind_of(*node) == FB_KIND_COMMAND)
        {
            GenApi::CCommandPtr(node)->Execute();
        }
        else
        {
            GenApi::CValuePtr(node)->FromString(text);
        }
    });
}

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
