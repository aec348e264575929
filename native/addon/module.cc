// Table of contents of the addon: what JavaScript sees, and nothing else. binding-types.ts types the same list.
#include "addon/api.h"
#include "addon/support/errors.h"
#include "addon/support/instance.h"
#include "addon/support/napi_setup.h"

namespace onespike::addon {
namespace {

struct Export {
  const char* name;
  Napi::Value (*function)(const Napi::CallbackInfo&);
};

constexpr Export kExports[] = {
    {"info", guard_sync<info>},
    {"processor", guard_sync<processor>},
    {"limitProcessor", guard_sync<limit_processor>},
    {"devices", guard_sync<devices>},
    {"inputEncoding", guard_sync<input_encoding>},
    {"networkCreate", guard_async<network_create>},
    {"networkTensors", guard_sync<network_tensors>},
    {"networkLayers", guard_sync<network_layers>},
    {"networkStepsAtOnce", guard_sync<network_steps_at_once>},
    {"networkMemory", guard_sync<network_memory>},
    {"networkRecorded", guard_sync<network_recorded>},
    {"networkProfile", guard_sync<network_profile>},
    {"networkSlots", guard_sync<network_slots>},
    {"networkRead", guard_async<network_read>},
    {"networkWrite", guard_async<network_write>},
    {"networkCounters", guard_sync<network_counters>},
    {"networkSetCounters", guard_sync<network_set_counters>},
    {"networkResetOptimizer", guard_async<network_reset_optimizer>},
    {"networkForward", guard_async<network_forward>},
    {"networkGradients", guard_async<network_gradients>},
    {"networkTrain", guard_async<network_train>},
    {"networkActivations", guard_async<network_activations>},
    {"networkCalibrate", guard_async<network_calibrate>},
    {"networkFitGenes", guard_async<network_fit_genes>},
    {"networkSimulate", guard_async<network_simulate>},
    {"networkProgress", guard_sync<network_progress>},
    {"networkAbort", guard_sync<network_abort>},
    {"networkDispose", guard_sync<network_dispose>},
    {"datasetCreate", guard_sync<dataset_create>},
    {"datasetDispose", guard_sync<dataset_dispose>},
    {"communicatorOpen", guard_async<communicator_open>},
    {"communicatorBroadcast", guard_async<communicator_broadcast>},
    {"communicatorGather", guard_async<communicator_gather>},
    {"communicatorLastWords", guard_async<communicator_last_words>},
    {"communicatorLink", guard_async<communicator_link>},
    {"communicatorBarrier", guard_async<communicator_barrier>},
    {"communicatorClose", guard_async<communicator_close>},
    {"communicatorPlace", guard_sync<communicator_place>},
    {"communicatorAbort", guard_sync<communicator_abort>},
    {"ncclVersion", guard_sync<nccl_version>},
};

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  return with_js_errors(env, [&] {
    env.SetInstanceData(new Instance(env));  // freed by Node-API when the environment ends
    for (const Export& each : kExports) exports.Set(each.name, Napi::Function::New(env, each.function, each.name));
    return exports;
  });
}

}  // namespace
}  // namespace onespike::addon

static Napi::Object initialise_onespike(Napi::Env env, Napi::Object exports) {
  return onespike::addon::initialise(env, exports);
}

NODE_API_MODULE(onespike, initialise_onespike)
