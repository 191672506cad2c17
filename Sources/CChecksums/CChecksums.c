// Header only; SwiftPM wants one source file.
#include "CRC32CLanes.h"
