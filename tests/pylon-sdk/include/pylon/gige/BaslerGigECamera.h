// Stand-in, see ../../../README.md: pylon-cxx includes this header and uses nothing of it.
#pragma once
#include <pylon/PylonIncludes.h>
