// Stand-in, see ../README.md: the features of a camera, with something of each kind.
#include "device.h"

#include <thread>

namespace standin
{
    using namespace GENAPI_NAMESPACE;

    static const int64_t SENSOR = 4096;

    // A camera that is slow, fails or is gone, where a feature is read, set or executed; the file is read anew each time.
    void Device::access(const Node& node) const
    {
        if (m_lock < 0)
        {
            return; // it is being made or opened
        }
        if (is_removed())
        {
            fail("The device has been removed. (0xE1018005)");
        }
        const Settings now = read_settings(path);
        if (now.is("slow", node.name))
        {
            note("asked " + node.name);
            std::this_thread::sleep_for(std::chrono::milliseconds(now.number("slow_ms", 1000)));
        }
        if (now.is("fail", node.name))
        {
            fail("told to fail at " + node.name + ". : RuntimeException (0xE1FF0002)");
        }
    }

    void Device::make_features()
    {
        features.on_access = [this](const Node& node) { access(node); };
        features.add<IntegerNode>("TLParamsLocked", RW, 0, 0, 1).visibility = Invisible;
        make_geometry();
        make_acquisition();
        make_control();
        make_transport();
        features.at<IntegerNode>("PayloadSize").value = payload_bytes();
    }

    void Device::make_geometry()
    {
        auto& locked = features.at<IntegerNode>("TLParamsLocked");
        auto layout = [&](Node& node) -> Node& {
            node.on_set = [this] { features.at<IntegerNode>("PayloadSize").value = payload_bytes(); };
            return node.locked_by(locked);
        };
        features.begin("ImageFormatControl");
        features.add<IntegerNode>("SensorWidth", RO, SENSOR, SENSOR, SENSOR).says("Sensor Width", "Width of the sensor.", "px");
        auto& width = features.add<IntegerNode>("Width", RW, settings.number("width", 640), 16, SENSOR, 4);
        layout(width).says("Width", "Width of the region that is sent.", "px");
        auto& height = features.add<IntegerNode>("Height", RW, settings.number("height", 480), 2, SENSOR, 2);
        layout(height).says("Height", "Height of the region that is sent.", "px");
        auto& left = features.add<IntegerNode>("OffsetX", RW, settings.number("offset_x", 0), 0, SENSOR, 4);
        layout(left).says("Offset X", "Where on the sensor the region begins.", "px");
        layout(features.add<IntegerNode>("OffsetY", RW, settings.number("offset_y", 0), 0, SENSOR, 2));
        // The region lies on the sensor.
        width.max_now = [&left] { return SENSOR - left.value; };
        left.max_now = [&width] { return SENSOR - width.value; };
        auto& format = features.add<EnumerationNode>(
            "PixelFormat", RW, settings.text("pixel_format", "Mono8"),
            std::vector<std::string>{"Mono8", "Mono12", "BayerRG8", "YUV422_8"});
        layout(format).says("Pixel Format", "Format of the pixels that are sent.");
        format.entries.back()->mode = NA;
        features.add<BooleanNode>("SensorShutter", NI, false); // of other models
        features.begin("ChunkDataControl");
        layout(features.add<BooleanNode>("ChunkModeActive", RW, settings.number("chunks", 0) != 0)).visibility = Expert;
        features.add<EnumerationNode>(
            "ChunkSelector", RW, "Timestamp", std::vector<std::string>{"Timestamp", "ExposureTime"});
        features.add<BooleanNode>("ChunkEnable", RW, true);
    }

    void Device::make_acquisition()
    {
        using Entries = std::vector<std::string>;
        auto& locked = features.at<IntegerNode>("TLParamsLocked");
        features.begin("AcquisitionControl");
        auto& automatic = features.add<EnumerationNode>("ExposureAuto", RW, "Off", Entries{"Off", "Continuous"});
        auto& exposure = features.add<FloatNode>("ExposureTime", RW, 1000.0, 10.0, 1e6);
        exposure.says("Exposure Time", "How long the sensor collects light.", "us").locked_by(automatic);
        features.add<EnumerationNode>("AcquisitionMode", RW, "SingleFrame", Entries{"SingleFrame", "Continuous"})
            .locked_by(locked);
        features.add<CommandNode>("AcquisitionStart");
        features.add<BooleanNode>("AcquisitionFrameRateEnable", RW, false);
        auto& reached = features.add<FloatNode>("ResultingFrameRate", RO, double(settings.number("fps", 20)), 0.0, 1000.0);
        auto& rate = features.add<FloatNode>("AcquisitionFrameRate", RW, double(reached.value), 0.1, 1000.0);
        rate.says("Frame Rate", "Frames in a second.", "Hz").on_set = [&reached, &rate] { reached.value = double(rate.value); };
        features.add<EnumerationNode>("TriggerSelector", RW, "FrameStart", Entries{"FrameStart"});
        auto& trigger = features.add<EnumerationNode>("TriggerMode", RW, "On", Entries{"Off", "On"});
        trigger.on_set = [this, &trigger] { is_triggered = trigger.value == "On"; };
        auto& source = features.add<EnumerationNode>("TriggerSource", RW, "Line1", Entries{"Line1", "Software"});
        // Nothing is connected to its line.
        features.add<CommandNode>("TriggerSoftware").on_set = [this, &source] {
            source.value == "Software" && on_trigger ? on_trigger() : void();
        };
        features.begin("AnalogControl");
        features.add<IntegerNode>("GainRaw", RW, 0, 0, 63).says("Gain", "Amplification, in steps of the camera's.");
    }

    void Device::make_control()
    {
        features.begin("DeviceControl");
        features.add<TextNode>("DeviceVendorName", RO, "Stand-in");
        features.add<TextNode>("DeviceModelName", RO, settings.text("model", "standin-1000gm"));
        const auto begin = path.rfind('/') + 1;
        features.add<TextNode>("DeviceSerialNumber", RO, path.substr(begin, path.size() - begin - 4));
        features.add<TextNode>("DeviceUserID", RW, settings.text("name", "")).visibility = Expert;
        features.add<IntegerNode>("TestWriteOnly", WO, 0, 0, 255).visibility = Guru;
        // Takes its time, and then has counted.
        auto& counted = features.add<IntegerNode>("CalibrationCount", RO, 0, 0, INT64_MAX);
        auto& calibrate = features.add<CommandNode>("Calibrate");
        calibrate.on_set = [this, &counted] {
            ++counted.value;
            const auto takes = std::chrono::milliseconds(read_settings(path).number("command_ms", 0));
            m_command_done = std::chrono::steady_clock::now() + takes;
        };
        calibrate.is_done = [this] { return std::chrono::steady_clock::now() >= m_command_done; };
        features.begin("TestControl");
        for (int64_t at = 0; at < settings.number("more_features", 0); ++at)
        {
            features.add<IntegerNode>("TestValue" + std::to_string(at), RW, at, 0, INT64_MAX);
        }
        features.begin("UserSetControl");
        auto& load = features.add<CommandNode>("UserSetLoad");
        load.locked_by(features.at<IntegerNode>("TLParamsLocked"));
        load.on_set = [this] { reset_geometry(); };
    }

    void Device::reset_geometry()
    {
        features.at<IntegerNode>("Width").value = settings.number("width", 640);
        features.at<IntegerNode>("Height").value = settings.number("height", 480);
        features.at<EnumerationNode>("PixelFormat").value = settings.text("pixel_format", "Mono8");
        features.at<IntegerNode>("PayloadSize").value = payload_bytes();
    }

    void Device::make_transport()
    {
        features.begin("TransportLayerControl");
        features.add<IntegerNode>("PayloadSize", RO, 0, 0, INT64_MAX);
        if (settings.text("class", "BaslerGigE") == "BaslerGigE")
        {
            features.add<IntegerNode>("GevTimestampTickFrequency", RO, settings.number("ticks", 125000000), 1, INT64_MAX);
            features.add<IntegerNode>("GevHeartbeatTimeout", RW, 3000, 500, 60000);
            tl_features.add<IntegerNode>("HeartbeatTimeout", RW, 3000, 500, 60000);
        }
        for (const char* name : {"Statistic_Total_Buffer_Count", "Statistic_Failed_Buffer_Count",
                                 "Statistic_Buffer_Underrun_Count", "Statistic_Failed_Packet_Count",
                                 "Statistic_Resend_Packet_Count"})
        {
            stream_features.add<IntegerNode>(name, RO, 0, 0, INT64_MAX);
        }
    }
} // namespace standin
