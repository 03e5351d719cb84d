// Stand-in, see ../README.md: features and the maps they are found in.
#pragma once

#include <pylon/PylonIncludes.h>

#include <functional>
#include <map>

namespace standin
{
    using GENAPI_NAMESPACE::EAccessMode;
    using GENAPI_NAMESPACE::EInterfaceType;
    using GENAPI_NAMESPACE::gcstring;

    [[noreturn]] void fail(const std::string& text);

    // A feature of any type: the value is kept as a number or as a text.
    class Node : public GENAPI_NAMESPACE::INode
    {
    public:
        Node(const std::string& name, EInterfaceType type, EAccessMode mode) : name(name), type(type), mode(mode) {}
        EAccessMode GetAccessMode() const override;
        gcstring GetName(bool) const override { return name.c_str(); }
        EInterfaceType GetPrincipalInterfaceType() const override { return type; }
        void must_be_writable() const;
        void must_be_readable() const;

        std::string name;
        EInterfaceType type;
        EAccessMode mode;
        std::function<bool()> is_locked;
        std::function<void()> on_set;
    };

    class IntegerNode : public Node, public GENAPI_NAMESPACE::IInteger
    {
    public:
        IntegerNode(const std::string& name, EAccessMode mode, int64_t value, int64_t min, int64_t max, int64_t inc = 1)
            : Node(name, GENAPI_NAMESPACE::intfIInteger, mode), value(value), min(min), max(max), inc(inc)
        {
        }
        EAccessMode GetAccessMode() const override { return Node::GetAccessMode(); }
        gcstring ToString(bool, bool) override;
        void FromString(const gcstring& text, bool) override;
        int64_t GetValue(bool, bool) override;
        int64_t GetInc() override { return inc; }
        void set(int64_t wanted);

        int64_t value, min, max, inc;
    };

    class FloatNode : public Node, public GENAPI_NAMESPACE::IFloat
    {
    public:
        FloatNode(const std::string& name, EAccessMode mode, double value, double min, double max)
            : Node(name, GENAPI_NAMESPACE::intfIFloat, mode), value(value), min(min), max(max)
        {
        }
        EAccessMode GetAccessMode() const override { return Node::GetAccessMode(); }
        gcstring ToString(bool, bool) override;
        void FromString(const gcstring& text, bool) override;
        double GetValue(bool, bool) override;
        void set(double wanted);

        double value, min, max;
    };

    class BooleanNode : public Node, public GENAPI_NAMESPACE::IBoolean
    {
    public:
        BooleanNode(const std::string& name, EAccessMode mode, bool value)
            : Node(name, GENAPI_NAMESPACE::intfIBoolean, mode), value(value)
        {
        }
        EAccessMode GetAccessMode() const override { return Node::GetAccessMode(); }
        gcstring ToString(bool, bool) override { return value ? "1" : "0"; }
        void FromString(const gcstring& text, bool) override;
        bool GetValue(bool, bool) const override;
        void set(bool wanted);

        bool value;
    };

    // An enumeration, or with no entries a string.
    class TextNode : public Node, public GENAPI_NAMESPACE::IEnumeration
    {
    public:
        TextNode(const std::string& name, EAccessMode mode, const std::string& value, std::vector<std::string> entries = {})
            : Node(name, entries.empty() ? GENAPI_NAMESPACE::intfIString : GENAPI_NAMESPACE::intfIEnumeration, mode),
              value(value), entries(std::move(entries))
        {
        }
        EAccessMode GetAccessMode() const override { return Node::GetAccessMode(); }
        gcstring ToString(bool, bool) override;
        void FromString(const gcstring& text, bool) override { set(text.c_str()); }
        // Of a pixel format, its code.
        int64_t GetIntValue(bool, bool) override;
        void set(const std::string& wanted);

        std::string value;
        std::vector<std::string> entries;
    };

    class CommandNode : public Node, public GENAPI_NAMESPACE::ICommand
    {
    public:
        explicit CommandNode(const std::string& name)
            : Node(name, GENAPI_NAMESPACE::intfICommand, GENAPI_NAMESPACE::RW)
        {
        }
        EAccessMode GetAccessMode() const override { return Node::GetAccessMode(); }
        gcstring ToString(bool, bool) override { return ""; }
        void FromString(const gcstring&, bool) override { Execute(true); }
        void Execute(bool) override;
    };

    class NodeMap : public GENAPI_NAMESPACE::INodeMap
    {
    public:
        void GetNodes(GENAPI_NAMESPACE::NodeList_t& nodes) const override;
        GENAPI_NAMESPACE::INode* GetNode(const gcstring& name) const override;

        template <class T, class... Args>
        T& add(Args&&... args)
        {
            auto node = std::make_unique<T>(std::forward<Args>(args)...);
            T& added = *node;
            nodes[added.name] = std::move(node);
            return added;
        }
        template <class T>
        T& at(const std::string& name) const
        {
            return dynamic_cast<T&>(*nodes.at(name));
        }

        std::map<std::string, std::unique_ptr<Node>> nodes;
    };
} // namespace standin
