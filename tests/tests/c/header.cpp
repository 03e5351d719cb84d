// The header alone is C++17, and FB_INIT a value of every structure.
#include <framebroker.h>

#include <type_traits>

template <typename T> bool is_initialised(T value)
{
    return value.struct_size == sizeof(T) && std::is_standard_layout<T>::value;
}

int main()
{
    return is_initialised(FB_INIT(fb_connect_options)) && is_initialised(FB_INIT(fb_subscribe_options)) &&
                   is_initialised(FB_INIT(fb_broker_info)) && is_initialised(FB_INIT(fb_stream_info)) &&
                   is_initialised(FB_INIT(fb_stream_stats)) && is_initialised(FB_INIT(fb_subscription_info)) &&
                   is_initialised(FB_INIT(fb_segment)) && is_initialised(FB_INIT(fb_frame_info)) && fb_version() != nullptr
               ? 0
               : 1;
}
