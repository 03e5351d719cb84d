// Stand-in, see ../README.md.
#include "nodes.h"

#include <cstdlib>
#include <sstream>

namespace standin
{
    using namespace GENAPI_NAMESPACE;
    using Lock = std::lock_guard<std::recursive_mutex>;

    void fail(const std::string& text) { throw RUNTIME_EXCEPTION(text.c_str()); }

    template <class Exception>
    [[noreturn]] static void refuse(const Node& node, const std::string& text)
    {
        throw Exception((text + " : thrown in node '" + node.name + "'").c_str(), __FILE__, __LINE__);
    }

    EAccessMode Node::GetAccessMode() const
    {
        if (locker == nullptr || locker->is_zero() || mode == RO)
        {
            return mode;
        }
        return mode == RW ? RO : NA;
    }
    void Node::GetChildren(NodeList_t& children, ELinkType link) const
    {
        if (link == ctDependingNodes)
        {
            for (Node* node : locks)
            {
                children.push_back(node);
            }
        }
    }
    bool Node::GetProperty(const gcstring& property, gcstring& value, gcstring& attribute)
    {
        if (std::string(property.c_str()) != "pIsLocked" || locker == nullptr)
        {
            return false;
        }
        value = locker->name.c_str();
        attribute = "";
        return true;
    }
    Node& Node::says(const char* shown, const char* text, const char* in)
    {
        display_name = shown;
        description = text;
        unit = in;
        return *this;
    }
    Node& Node::locked_by(Node& other)
    {
        locker = &other;
        other.locks.push_back(this);
        return *this;
    }
    bool Node::is_zero() const
    {
        if (auto* integer = dynamic_cast<const IntegerNode*>(this))
        {
            return integer->value == 0;
        }
        auto* enumeration = dynamic_cast<const EnumerationNode*>(this);
        return enumeration == nullptr || enumeration->value == enumeration->entries.front()->name;
    }
    void Node::must_be_writable() const
    {
        if (!IsWritable(GetAccessMode()))
        {
            refuse<GENICAM_NAMESPACE::AccessException>(*this, "Node is not writable.");
        }
    }
    void Node::must_be_readable() const
    {
        if (!IsReadable(GetAccessMode()))
        {
            refuse<GENICAM_NAMESPACE::AccessException>(*this, "Node is not readable.");
        }
    }
    void Node::access() const
    {
        if (map->on_access)
        {
            map->on_access(*this);
        }
    }
    void Node::was_set()
    {
        if (on_set)
        {
            on_set();
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
    static T parsed(const Node& node, const gcstring& text)
    {
        std::istringstream in(text.c_str());
        T value;
        if (!(in >> value) || in.peek() != EOF)
        {
            refuse<GENICAM_NAMESPACE::InvalidArgumentException>(node, "cannot convert '" + std::string(text.c_str()) + "'");
        }
        return value;
    }
    template <class N, class T>
    static T value_of(N& node)
    {
        Lock lock(node.map->mutex);
        node.must_be_readable();
        node.access();
        return node.value;
    }
    template <class N, class T>
    static void set(N& node, const T& wanted)
    {
        Lock lock(node.map->mutex);
        node.must_be_writable();
        node.access();
        node.value = wanted;
        node.was_set();
    }
    template <class N, class T>
    static void set_number(N& node, T wanted, bool on_grid)
    {
        Lock lock(node.map->mutex);
        node.must_be_writable();
        if (wanted < node.GetMin() || wanted > node.GetMax() || !on_grid)
        {
            refuse<GENICAM_NAMESPACE::OutOfRangeException>(
                node, "Value = " + text_of(wanted) + " must be within " + text_of(node.GetMin()) + " and "
                          + text_of(node.GetMax()) + " and on the increment.");
        }
        set(node, wanted);
    }

    gcstring IntegerNode::ToString(bool, bool) { return text_of(GetValue(false, false)).c_str(); }
    void IntegerNode::FromString(const gcstring& text, bool) { SetValue(parsed<int64_t>(*this, text), true); }
    int64_t IntegerNode::GetValue(bool, bool) { return value_of<IntegerNode, int64_t>(*this); }
    void IntegerNode::SetValue(int64_t wanted, bool) { set_number(*this, wanted, (wanted - min) % inc == 0); }
    int64_t IntegerNode::GetMax() { return max_now ? max_now() : max; }

    gcstring FloatNode::ToString(bool, bool) { return text_of(GetValue(false, false)).c_str(); }
    void FloatNode::FromString(const gcstring& text, bool) { SetValue(parsed<double>(*this, text), true); }
    double FloatNode::GetValue(bool, bool) { return value_of<FloatNode, double>(*this); }
    void FloatNode::SetValue(double wanted, bool) { set_number(*this, wanted, true); }

    void BooleanNode::FromString(const gcstring& text, bool)
    {
        const std::string wanted = text.c_str();
        SetValue(wanted == "1" || wanted == "true", true);
    }
    bool BooleanNode::GetValue(bool, bool) const { return value_of<const BooleanNode, bool>(*this); }
    void BooleanNode::SetValue(bool wanted, bool) { set(*this, wanted); }

    gcstring TextNode::ToString(bool, bool) { return value_of<TextNode, std::string>(*this).c_str(); }
    void TextNode::FromString(const gcstring& text, bool) { set(*this, std::string(text.c_str())); }

    EnumerationNode::EnumerationNode(
        const std::string& name, EAccessMode mode, const std::string& value, const std::vector<std::string>& names)
        : Node(name, intfIEnumeration, mode), value(value)
    {
        for (const auto& entry : names)
        {
            entries.push_back(std::make_unique<EntryNode>(entry, RO));
        }
    }
    gcstring EnumerationNode::ToString(bool, bool) { return value_of<EnumerationNode, std::string>(*this).c_str(); }
    void EnumerationNode::FromString(const gcstring& text, bool)
    {
        const std::string wanted = text.c_str();
        bool known = false;
        for (const auto& entry : entries)
        {
            known = known || (entry->name == wanted && IsAvailable(entry->mode));
        }
        if (!known)
        {
            refuse<GENICAM_NAMESPACE::InvalidArgumentException>(*this, "'" + wanted + "' is no entry.");
        }
        set(*this, wanted);
    }
    void EnumerationNode::GetEntries(NodeList_t& list)
    {
        for (const auto& entry : entries)
        {
            list.push_back(entry.get());
        }
    }
    int64_t EnumerationNode::GetIntValue(bool, bool)
    {
        Lock lock(map->mutex);
        access();
        return code();
    }
    int64_t EnumerationNode::code() const
    {
        static const std::map<std::string, int64_t> codes = {
            {"Mono8", Pylon::PixelType_Mono8}, {"Mono12", Pylon::PixelType_Mono12}, {"BayerRG8", Pylon::PixelType_BayerRG8}};
        auto found = codes.find(value);
        return found == codes.end() ? 0 : found->second;
    }

    void CommandNode::Execute(bool)
    {
        Lock lock(map->mutex);
        must_be_writable();
        access();
        was_set();
    }
    bool CommandNode::IsDone(bool)
    {
        Lock lock(map->mutex);
        return !is_done || is_done();
    }

    void CategoryNode::GetFeatures(FeatureList_t& list) const
    {
        for (Node* node : members)
        {
            list.push_back(node);
        }
    }

    void NodeMap::GetNodes(NodeList_t& list) const
    {
        Lock lock(mutex);
        for (const auto& node : nodes)
        {
            list.push_back(node.second.get());
        }
    }
    INode* NodeMap::GetNode(const gcstring& name) const
    {
        Lock lock(mutex);
        auto found = nodes.find(name.c_str());
        return found == nodes.end() ? nullptr : found->second.get();
    }
    void NodeMap::begin(const std::string& category)
    {
        m_category = nullptr;
        if (category.empty())
        {
            return;
        }
        if (nodes.count("Root") == 0)
        {
            add<CategoryNode>("Root");
        }
        m_category = &at<CategoryNode>("Root");
        m_category = &add<CategoryNode>(category);
    }
} // namespace standin
