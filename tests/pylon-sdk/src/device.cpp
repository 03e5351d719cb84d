// Stand-in, see ../README.md.
#include "device.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace Pylon
{
    bool is_initialized();
}

namespace standin
{
    using namespace GENAPI_NAMESPACE;

    std::string Settings::text(const std::string& key, const std::string& otherwise) const
    {
        auto found = values.find(key);
        return found == values.end() ? otherwise : found->second;
    }
    int64_t Settings::number(const std::string& key, int64_t otherwise) const
    {
        auto found = values.find(key);
        return found == values.end() ? otherwise : std::atoll(found->second.c_str());
    }

    std::vector<std::string> camera_files()
    {
        if (!Pylon::is_initialized())
        {
            fail("Pylon is not initialized");
        }
        std::vector<std::string> files;
        const char* directory = std::getenv("PYLON_STANDIN");
        DIR* entries = directory == nullptr ? nullptr : opendir(directory);
        while (auto* entry = entries == nullptr ? nullptr : readdir(entries))
        {
            std::string name = entry->d_name;
            if (name.size() > 4 && name.substr(name.size() - 4) == ".cam")
            {
                files.push_back(std::string(directory) + "/" + name);
            }
        }
        if (entries != nullptr)
        {
            closedir(entries);
        }
        std::sort(files.begin(), files.end());
        return files;
    }

    Settings read_settings(const std::string& path)
    {
        Settings settings;
        std::ifstream in(path);
        for (std::string line; std::getline(in, line);)
        {
            auto equals = line.find('=');
            if (equals != std::string::npos)
            {
                settings.values[line.substr(0, equals)] = line.substr(equals + 1);
            }
        }
        return settings;
    }

    bool is_taken(const std::string& path)
    {
        int lock = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        bool taken = lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0;
        ::close(lock);
        return taken;
    }

    static std::string serial_of(const std::string& path)
    {
        auto begin = path.rfind('/') + 1;
        return path.substr(begin, path.size() - begin - 4);
    }

    Pylon::CDeviceInfo info_of(const std::string& path)
    {
        Settings settings = read_settings(path);
        Pylon::CDeviceInfo info;
        auto add = [&](const char* name, const std::string& value) { info.SetPropertyValue(name, value.c_str()); };
        add("SerialNumber", serial_of(path));
        add("ModelName", settings.text("model", "standin-1000gm"));
        add("VendorName", "Stand-in");
        add("UserDefinedName", settings.text("name", ""));
        add("DeviceClass", settings.text("class", "BaslerGigE"));
        add("FullName", path);
        return info;
    }

    Device::Device(const std::string& path) : path(path), settings(read_settings(path)) { make_features(); }
    Device::~Device() { close(); }

    void Device::throw_if_told(const char* where) const
    {
        // Read anew: a test may tell while the camera runs.
        Settings now = read_settings(path);
        if (now.is("throw", where))
        {
            fail(std::string("told to fail in ") + where + ". : RuntimeException (0xE1FF0001)");
        }
        while (now.is("hang", where))
        {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            now = read_settings(path);
        }
        if (now.is("throw", std::string(where) + "-unknown"))
        {
            throw 42; // no exception of any library
        }
    }

    void Device::open()
    {
        throw_if_told("open");
        int lock = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (lock < 0)
        {
            fail("Failed to open device '" + path + "': The device cannot be found. (0xE1018007)");
        }
        if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        {
            ::close(lock);
            fail("Failed to open device '" + path + "': The device is controlled by another application. (0xE1018006)");
        }
        m_lock = lock;
        // The default configuration of an instant camera.
        features.at<EnumerationNode>("TriggerMode").value = "Off";
        features.at<EnumerationNode>("AcquisitionMode").value = "Continuous";
        is_triggered = false;
        note("open");
    }
    void Device::close()
    {
        if (m_lock >= 0)
        {
            ::close(m_lock);
            m_lock = -1;
            note("close");
        }
    }
    bool Device::is_removed() const
    {
        struct stat ours, there;
        return m_lock >= 0
               && (fstat(m_lock, &ours) != 0 || ::stat(path.c_str(), &there) != 0 || ours.st_ino != there.st_ino);
    }
    void Device::note(const std::string& line) const
    {
        std::ofstream out(path.substr(0, path.size() - 4) + ".log", std::ios::app);
        out << line + "\n";
    }

    int64_t Device::bytes_per_row() const
    {
        int64_t bytes = features.at<EnumerationNode>("PixelFormat").value == "Mono12" ? 2 : 1;
        return features.at<IntegerNode>("Width").value * bytes + settings.number("padding", 0);
    }
    int64_t Device::image_bytes() const { return bytes_per_row() * features.at<IntegerNode>("Height").value; }
    int64_t Device::payload_bytes() const
    {
        return image_bytes() + (features.at<BooleanNode>("ChunkModeActive").value ? 256 : 0);
    }

    void Device::lock_parameters(bool locked) { features.at<IntegerNode>("TLParamsLocked").value = locked ? 1 : 0; }
} // namespace standin
