// The only file that includes napi.h: every translation unit sees the same Node-API configuration.
#pragma once

// Version 8 is what Node 20 and all later releases run; it has type tags and cleanup hooks, all that is needed here.
#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#ifndef NAPI_CPP_EXCEPTIONS
#define NAPI_CPP_EXCEPTIONS
#endif
// A worker that is being terminated refuses napi_throw; without this the wrapper would end the process over it.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
// Electron forbids external buffers: JavaScript allocates every array that it sees.
#define NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
#define NODE_ADDON_API_DISABLE_DEPRECATED

#include <napi.h>
