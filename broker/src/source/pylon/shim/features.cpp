// Features by name. These functions are for any thread: see shim.h.
#include "nodes.h"

#include <set>

using namespace Pylon;

// SFNC: 1 while the camera sends, so that nobody sets what its frames and its driver rely on.
static const char* const LOCKED_WHILE_GRABBING = "TLParamsLocked";

static GenApi::INode* node_of(fb_camera* camera, const char* name)
{
    GenApi::INode* node = camera->map(FB_MAP_CAMERA).GetNode(name);
    if (node == nullptr)
    {
        throw RUNTIME_EXCEPTION("there is no such feature");
    }
    return node;
}

static uint32_t access_of(GenApi::INode& node)
{
    switch (node.GetAccessMode())
    {
        case GenApi::RW:
            return FB_ACCESS_READ_WRITE;
        case GenApi::WO:
            return FB_ACCESS_WRITE_ONLY;
        case GenApi::RO:
        {
            // What never can be set has no word for when it cannot.
            String_t lock, unused;
            return node.GetProperty("pIsLocked", lock, unused) ? FB_ACCESS_LOCKED : FB_ACCESS_READ_ONLY;
        }
        case GenApi::NI:
            return FB_ACCESS_MISSING;
        default:
            return FB_ACCESS_UNAVAILABLE;
    }
}

static uint32_t visibility_of(const GenApi::INode& node)
{
    switch (node.GetVisibility())
    {
        case GenApi::Beginner:
            return FB_VISIBILITY_BEGINNER;
        case GenApi::Expert:
            return FB_VISIBILITY_EXPERT;
        case GenApi::Guru:
            return FB_VISIBILITY_GURU;
        case GenApi::Invisible:
            return FB_VISIBILITY_INVISIBLE;
        default:
            return FB_VISIBILITY_UNKNOWN;
    }
}

// Where texts go: see shim.h.
struct Listener
{
    fb_tell tell;
    void* to;

    void operator()(uint32_t what, const String_t& text) const
    {
        if (tell != nullptr)
        {
            tell(to, what, text.c_str());
        }
    }
};

static void read_value(GenApi::INode* node, fb_feature& feature, const Listener& tell)
{
    switch (feature.kind)
    {
        case FB_KIND_INTEGER:
            feature.integer = GenApi::CIntegerPtr(node)->GetValue();
            break;
        case FB_KIND_FLOAT:
            feature.number = GenApi::CFloatPtr(node)->GetValue();
            break;
        case FB_KIND_BOOLEAN:
            feature.integer = GenApi::CBooleanPtr(node)->GetValue() ? 1 : 0;
            break;
        case FB_KIND_ENUMERATION:
            feature.integer = GenApi::CEnumerationPtr(node)->GetIntValue();
            tell(FB_TEXT_VALUE, GenApi::CValuePtr(node)->ToString());
            break;
        case FB_KIND_TEXT:
            tell(FB_TEXT_VALUE, GenApi::CValuePtr(node)->ToString());
            break;
        default:
            return;
    }
    feature.has_value = 1;
}

static void read_entries(GenApi::INode* node, const Listener& tell)
{
    GenApi::NodeList_t entries;
    GenApi::CEnumerationPtr(node)->GetEntries(entries);
    for (GenApi::INode* entry : entries)
    {
        if (GenApi::IsAvailable(entry))
        {
            tell(FB_TEXT_ENTRY, GenApi::CEnumEntryPtr(entry)->GetSymbolic());
        }
    }
}

static void read_range(GenApi::INode* node, fb_feature& feature, const Listener& tell)
{
    if (feature.kind == FB_KIND_INTEGER)
    {
        const GenApi::CIntegerPtr integer(node);
        tell(FB_TEXT_UNIT, integer->GetUnit());
        feature.min = integer->GetMin();
        feature.max = integer->GetMax();
        feature.increment = integer->GetInc();
        feature.has_range = 1;
    }
    else if (feature.kind == FB_KIND_FLOAT)
    {
        const GenApi::CFloatPtr number(node);
        tell(FB_TEXT_UNIT, number->GetUnit());
        feature.lowest = number->GetMin();
        feature.highest = number->GetMax();
        feature.has_range = 1;
    }
    else if (feature.kind == FB_KIND_ENUMERATION)
    {
        read_entries(node, tell);
    }
}

// What the camera refuses to tell is left out; another failure ends the reading.
template <class Action>
static void unless_refused(Action&& action)
{
    try
    {
        action();
    }
    catch (const GenericException& error)
    {
        if (!is_refusal(error))
        {
            throw;
        }
    }
}

static void read_texts(const GenApi::INode& node, const Listener& tell)
{
    tell(FB_TEXT_DISPLAY_NAME, node.GetDisplayName());
    const String_t description = node.GetDescription();
    tell(FB_TEXT_DESCRIPTION, description.length() > 0 ? description : node.GetToolTip());
}

bool fb_pylon_feature(fb_camera* camera,
                      uint32_t map,
                      const char* name,
                      bool with_details,
                      fb_feature* feature,
                      fb_tell tell,
                      void* to,
                      fb_failure* failure)
{
    *feature = fb_feature{};
    feature->access = FB_ACCESS_MISSING;
    return guarded(failure, [&] {
        GenApi::INode* node = camera->map(map).GetNode(name);
        // pylon's maps know features that this camera has not: as good as none.
        feature->access = node == nullptr ? uint32_t{FB_ACCESS_MISSING} : access_of(*node);
        if (feature->access == FB_ACCESS_MISSING)
        {
            return;
        }
        const Listener listener{tell, to};
        feature->kind = kind_of(*node);
        feature->visibility = visibility_of(*node);
        if (with_details)
        {
            read_texts(*node, listener);
        }
        // The value first: where the camera is silent, it is not asked further.
        if (GenApi::IsReadable(node))
        {
            unless_refused([&] { read_value(node, *feature, listener); });
        }
        if (with_details)
        {
            unless_refused([&] { read_range(node, *feature, listener); });
        }
    });
}

static void name_features(GenApi::INode* category, std::set<std::string>& known, const Listener& tell)
{
    GenApi::FeatureList_t features;
    GenApi::CCategoryPtr(category)->GetFeatures(features);
    for (GenApi::IValue* feature : features)
    {
        GenApi::INode* node = feature->GetNode();
        if (node == nullptr || node->GetAccessMode() == GenApi::NI || !known.insert(node->GetName().c_str()).second)
        {
            continue;
        }
        if (node->GetPrincipalInterfaceType() == GenApi::intfICategory)
        {
            name_features(node, known, tell);
        }
        else if (kind_of(*node) != FB_KIND_OTHER)
        {
            tell(FB_TEXT_NAME, node->GetName());
        }
    }
}

bool fb_pylon_feature_names(fb_camera* camera, fb_tell tell, void* to, fb_failure* failure)
{
    return guarded(failure, [&] {
        std::set<std::string> known;
        name_features(node_of(camera, "Root"), known, Listener{tell, to});
    });
}

bool fb_pylon_feature_is_held(fb_camera* camera, const char* name, bool* is_held, fb_failure* failure)
{
    return guarded(failure, [&] {
        *is_held = false;
        GenApi::INode* lock = camera->map(FB_MAP_CAMERA).GetNode(LOCKED_WHILE_GRABBING);
        if (!GenApi::IsReadable(lock) || GenApi::CIntegerPtr(lock)->GetValue() == 0
            || GenApi::IsWritable(node_of(camera, name)))
        {
            return;
        }
        GenApi::NodeList_t depending;
        lock->GetChildren(depending, GenApi::ctDependingNodes);
        for (const GenApi::INode* node : depending)
        {
            *is_held = *is_held || std::strcmp(node->GetName().c_str(), name) == 0;
        }
    });
}

bool fb_pylon_set_integer(fb_camera* camera, const char* name, int64_t value, fb_failure* failure)
{
    return guarded(failure, [&] { GenApi::CIntegerPtr(node_of(camera, name))->SetValue(value); });
}

bool fb_pylon_set_float(fb_camera* camera, const char* name, double value, fb_failure* failure)
{
    return guarded(failure, [&] { GenApi::CFloatPtr(node_of(camera, name))->SetValue(value); });
}

bool fb_pylon_set_boolean(fb_camera* camera, const char* name, bool value, fb_failure* failure)
{
    return guarded(failure, [&] { GenApi::CBooleanPtr(node_of(camera, name))->SetValue(value); });
}

bool fb_pylon_set_text(fb_camera* camera, const char* name, const char* value, fb_failure* failure)
{
    return guarded(failure, [&] { GenApi::CValuePtr(node_of(camera, name))->FromString(value); });
}

bool fb_pylon_execute(fb_camera* camera, const char* name, fb_failure* failure)
{
    return guarded(failure, [&] { GenApi::CCommandPtr(node_of(camera, name))->Execute(); });
}

bool fb_pylon_is_done(fb_camera* camera, const char* name, bool* is_done, fb_failure* failure)
{
    return guarded(failure, [&] { *is_done = GenApi::CCommandPtr(node_of(camera, name))->IsDone(); });
}
