// Stand-in, see ../README.md: a camera is a file that is there or not.
#pragma once

#include "nodes.h"

#include <chrono>

namespace standin
{
    // What a camera's file says.
    class Settings
    {
    public:
        std::string text(const std::string& key, const std::string& otherwise) const;
        int64_t number(const std::string& key, int64_t otherwise) const;
        bool is(const std::string& key, const std::string& value) const { return text(key, "") == value; }

        std::map<std::string, std::string> values;
    };

    // The camera's features, as the device keeps them while it has power: opening it anew finds them as its file says.
    class Device : public Pylon::IPylonDevice
    {
    public:
        explicit Device(const std::string& path);
        ~Device() override;
        void open();
        void close();
        bool is_open() const { return m_lock >= 0; }
        // Its file was removed or replaced since it was opened.
        bool is_removed() const;
        // Writes a line to the file beside the camera's, for tests to read.
        void note(const std::string& line) const;
        void throw_if_told(const char* where) const;
        int64_t bytes_per_row() const;
        int64_t image_bytes() const;
        int64_t payload_bytes() const;

        std::string path;
        Settings settings;
        NodeMap features, tl_features, stream_features, event_features;
        std::function<void()> on_trigger;
        // What the sensor follows without asking its features, which may be slow.
        std::atomic<bool> is_triggered{false};
        double exposure_us() const { return features.at<FloatNode>("ExposureTime").value; }
        double fps() const { return features.at<FloatNode>("AcquisitionFrameRate").value; }
        // While it grabs, others cannot set what the transport layer relies on.
        void lock_parameters(bool locked);

    private:
        void make_features();
        void make_geometry();
        void make_acquisition();
        void make_control();
        void make_transport();
        void reset_geometry();
        void access(const Node& node) const;
        int m_lock = -1;
        std::chrono::steady_clock::time_point m_command_done;
    };

    // The files of all cameras there are.
    std::vector<std::string> camera_files();
    Settings read_settings(const std::string& path);
    bool is_taken(const std::string& path);
    Pylon::CDeviceInfo info_of(const std::string& path);
} // namespace standin
