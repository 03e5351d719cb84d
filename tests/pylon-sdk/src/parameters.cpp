// Stand-in, see ../README.md: what reads and sets features for pylon-cxx, and files of settings.
#include "nodes.h"

#include <fstream>
#include <sstream>

namespace standin
{
    template <class T>
    static T& node_of(GENAPI_NAMESPACE::INode* node)
    {
        T* found = dynamic_cast<T*>(node);
        if (found == nullptr)
        {
            fail("The attached node is missing or of another type. : AccessException");
        }
        return *found;
    }
} // namespace standin

namespace Pylon
{
    using namespace standin;
    using GENAPI_NAMESPACE::INodeMap;

    CBooleanParameter::CBooleanParameter(INodeMap& map, const char* name) : m_node(map.GetNode(name)) {}
    CBooleanParameter::~CBooleanParameter() {}
    bool CBooleanParameter::GetValue(bool, bool) const { return node_of<BooleanNode>(m_node).GetValue(false, false); }
    void CBooleanParameter::SetValue(bool value, bool) { node_of<BooleanNode>(m_node).SetValue(value, true); }

    CIntegerParameter::CIntegerParameter(INodeMap& map, const char* name) : m_node(map.GetNode(name)) {}
    CIntegerParameter::~CIntegerParameter() {}
    int64_t CIntegerParameter::GetValue(bool, bool) { return node_of<IntegerNode>(m_node).GetValue(false, false); }
    void CIntegerParameter::SetValue(int64_t value, bool) { node_of<IntegerNode>(m_node).SetValue(value, true); }
    int64_t CIntegerParameter::GetMin() { return node_of<IntegerNode>(m_node).GetMin(); }
    int64_t CIntegerParameter::GetMax() { return node_of<IntegerNode>(m_node).GetMax(); }
    String_t CIntegerParameter::GetUnit() { return ""; }

    CFloatParameter::CFloatParameter(INodeMap& map, const char* name) : m_node(map.GetNode(name)) {}
    CFloatParameter::~CFloatParameter() {}
    double CFloatParameter::GetValue(bool, bool) { return node_of<FloatNode>(m_node).GetValue(false, false); }
    void CFloatParameter::SetValue(double value, bool) { node_of<FloatNode>(m_node).SetValue(value, true); }
    double CFloatParameter::GetMin() { return node_of<FloatNode>(m_node).min; }
    double CFloatParameter::GetMax() { return node_of<FloatNode>(m_node).max; }
    String_t CFloatParameter::GetUnit() const { return ""; }

    CEnumParameter::CEnumParameter(INodeMap& map, const char* name) : m_node(map.GetNode(name)) {}
    CEnumParameter::~CEnumParameter() {}
    String_t CEnumParameter::GetValue() { return node_of<EnumerationNode>(m_node).ToString(false, false); }
    void CEnumParameter::SetValue(const String_t& value) { node_of<EnumerationNode>(m_node).FromString(value, true); }
    void CEnumParameter::GetSettableValues(StringList_t& values)
    {
        for (const auto& entry : node_of<EnumerationNode>(m_node).entries)
        {
            values.push_back(entry->name.c_str());
        }
    }

    CCommandParameter::CCommandParameter(INodeMap& map, const char* name) : m_node(map.GetNode(name)) {}
    CCommandParameter::~CCommandParameter() {}
    void CCommandParameter::Execute(bool) { node_of<CommandNode>(m_node).Execute(true); }

    // A .pfs file is lines of name and value with a tabulator between; # begins a comment.
    static void load(std::istream& in, INodeMap* map)
    {
        for (std::string line; std::getline(in, line);)
        {
            auto tab = line.find('\t');
            if (line.empty() || line[0] == '#' || tab == std::string::npos)
            {
                continue;
            }
            std::string name = line.substr(0, tab);
            auto* node = map->GetNode(name.c_str());
            if (node == nullptr)
            {
                fail("Feature '" + name + "' not found in the node map.");
            }
            dynamic_cast<GENAPI_NAMESPACE::IValue&>(*node).FromString(line.substr(tab + 1).c_str(), true);
        }
    }
    static void save(std::ostream& out, INodeMap* map)
    {
        GENAPI_NAMESPACE::NodeList_t nodes;
        map->GetNodes(nodes);
        out << "# {05D8C294-F295-4dfb-9D01-096BD04049F4}\n";
        for (auto* node : nodes)
        {
            if (node->GetAccessMode() == GENAPI_NAMESPACE::RW && dynamic_cast<CommandNode*>(node) == nullptr)
            {
                out << node->GetName().c_str() << '\t' << dynamic_cast<GENAPI_NAMESPACE::IValue&>(*node).ToString().c_str()
                    << '\n';
            }
        }
    }
    void CFeaturePersistence::Load(const String_t& name, INodeMap* map, bool)
    {
        std::ifstream in(name.c_str());
        if (!in)
        {
            fail("Failed to open file '" + std::string(name.c_str()) + "'");
        }
        load(in, map);
    }
    void CFeaturePersistence::Save(const String_t& name, INodeMap* map)
    {
        std::ofstream out(name.c_str());
        save(out, map);
    }
    void CFeaturePersistence::LoadFromString(const String_t& features, INodeMap* map, bool)
    {
        std::istringstream in(features.c_str());
        load(in, map);
    }
    void CFeaturePersistence::SaveToString(String_t& features, INodeMap* map)
    {
        std::ostringstream out;
        save(out, map);
        features = out.str().c_str();
    }
} // namespace Pylon
