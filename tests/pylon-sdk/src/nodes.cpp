// Stand-in, see ../README.md.
#include "nodes.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace standin
{
    void fail(const std::string& text) { throw RUNTIME_EXCEPTION(text.c_str()); }

    EAccessMode Node::GetAccessMode() const
    {
        return mode == GENAPI_NAMESPACE::RW && is_locked && is_locked() ? GENAPI_NAMESPACE::RO : mode;
    }
    void Node::must_be_writable() const
    {
        if (GetAccessMode() != GENAPI_NAMESPACE::RW)
        {
            fail("Node is not writable. : AccessException thrown in node '" + name + "'");
        }
    }
    void Node::must_be_readable() const
    {
        if (!GENAPI_NAMESPACE::IsReadable(GetAccessMode()))
        {
            fail("Node is not readable. : AccessException thrown in node '" + name + "'");
        }
    }

    template <class T>
    static std::string text_of(T value)
    {
        std::ostringstream out;
        out << value;
        return out.str();
    }
    template <class T>
    static T parsed(const std::string& name, const gcstring& text)
    {
        std::istringstream in(text.c_str());
        T value;
        if (!(in >> value) || in.peek() != EOF)
        {
            fail("the text '" + std::string(text.c_str()) + "' is no value of node '" + name + "'");
        }
        return value;
    }
    template <class N, class T>
    static void set_number(N& node, T wanted, bool on_grid)
    {
        node.must_be_writable();
        if (wanted < node.min || wanted > node.max || !on_grid)
        {
            fail("Value = " + text_of(wanted) + " must be within " + text_of(node.min) + " and " + text_of(node.max)
                 + " and on the increment. : OutOfRangeException thrown in node '" + node.name + "'");
        }
        node.value = wanted;
        if (node.on_set)
        {
            node.on_set();
        }
    }

    gcstring IntegerNode::ToString(bool, bool) { return text_of(value).c_str(); }
    void IntegerNode::FromString(const gcstring& text, bool) { set(parsed<int64_t>(name, text)); }
    int64_t IntegerNode::GetValue(bool, bool)
    {
        must_be_readable();
        return value;
    }
    void IntegerNode::set(int64_t wanted) { set_number(*this, wanted, (wanted - min) % inc == 0); }

    gcstring FloatNode::ToString(bool, bool) { return text_of(value).c_str(); }
    void FloatNode::FromString(const gcstring& text, bool) { set(parsed<double>(name, text)); }
    double FloatNode::GetValue(bool, bool)
    {
        must_be_readable();
        return value;
    }
    void FloatNode::set(double wanted) { set_number(*this, wanted, true); }

    void BooleanNode::FromString(const gcstring& text, bool) { set(std::string(text.c_str()) == "1" || std::string(text.c_str()) == "true"); }
    bool BooleanNode::GetValue(bool, bool) const
    {
        must_be_readable();
        return value;
    }
    void BooleanNode::set(bool wanted)
    {
        must_be_writable();
        value = wanted;
        if (on_set)
        {
            on_set();
        }
    }

    gcstring TextNode::ToString(bool, bool)
    {
        must_be_readable();
        return value.c_str();
    }
    int64_t TextNode::GetIntValue(bool, bool)
    {
        static const std::map<std::string, int64_t> codes = {
            {"Mono8", Pylon::PixelType_Mono8}, {"Mono12", Pylon::PixelType_Mono12}, {"BayerRG8", Pylon::PixelType_BayerRG8}};
        auto code = codes.find(value);
        return code == codes.end() ? 0 : code->second;
    }
    void TextNode::set(const std::string& wanted)
    {
        must_be_writable();
        bool known = entries.empty();
        for (const auto& entry : entries)
        {
            known = known || entry == wanted;
        }
        if (!known)
        {
            fail("'" + wanted + "' is no entry. : InvalidArgumentException thrown in node '" + name + "'");
        }
        value = wanted;
        if (on_set)
        {
            on_set();
        }
    }

    void CommandNode::Execute(bool)
    {
        must_be_writable();
        if (on_set)
        {
            on_set();
        }
    }

    void NodeMap::GetNodes(GENAPI_NAMESPACE::NodeList_t& list) const
    {
        for (const auto& node : nodes)
        {
            list.push_back(node.second.get());
        }
    }
    GENAPI_NAMESPACE::INode* NodeMap::GetNode(const gcstring& name) const
    {
        auto found = nodes.find(name.c_str());
        return found == nodes.end() ? nullptr : found->second.get();
    }

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
    void CBooleanParameter::SetValue(bool value, bool) { node_of<BooleanNode>(m_node).set(value); }

    CIntegerParameter::CIntegerParameter(INodeMap& map, const char* name) : m_node(map.GetNode(name)) {}
    CIntegerParameter::~CIntegerParameter() {}
    int64_t CIntegerParameter::GetValue(bool, bool) { return node_of<IntegerNode>(m_node).GetValue(false, false); }
    void CIntegerParameter::SetValue(int64_t value, bool) { node_of<IntegerNode>(m_node).set(value); }
    int64_t CIntegerParameter::GetMin() { return node_of<IntegerNode>(m_node).min; }
    int64_t CIntegerParameter::GetMax() { return node_of<IntegerNode>(m_node).max; }
    String_t CIntegerParameter::GetUnit() { return ""; }

    CFloatParameter::CFloatParameter(INodeMap& map, const char* name) : m_node(map.GetNode(name)) {}
    CFloatParameter::~CFloatParameter() {}
    double CFloatParameter::GetValue(bool, bool) { return node_of<FloatNode>(m_node).GetValue(false, false); }
    void CFloatParameter::SetValue(double value, bool) { node_of<FloatNode>(m_node).set(value); }
    double CFloatParameter::GetMin() { return node_of<FloatNode>(m_node).min; }
    double CFloatParameter::GetMax() { return node_of<FloatNode>(m_node).max; }
    String_t CFloatParameter::GetUnit() const { return ""; }

    CEnumParameter::CEnumParameter(INodeMap& map, const char* name) : m_node(map.GetNode(name)) {}
    CEnumParameter::~CEnumParameter() {}
    String_t CEnumParameter::GetValue() { return node_of<TextNode>(m_node).ToString(false, false); }
    void CEnumParameter::SetValue(const String_t& value) { node_of<TextNode>(m_node).set(value.c_str()); }
    void CEnumParameter::GetSettableValues(StringList_t& values)
    {
        for (const auto& entry : node_of<TextNode>(m_node).entries)
        {
            values.push_back(entry.c_str());
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
