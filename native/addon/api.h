// The exported functions, one per row of the table in module.cc. Signatures stand above the definitions.
#pragma once

#include "addon/support/napi_setup.h"

namespace onespike::addon {

// network.cc: answers at once
Napi::Value info(const Napi::CallbackInfo& info);
Napi::Value processor(const Napi::CallbackInfo& info);
Napi::Value limit_processor(const Napi::CallbackInfo& info);
Napi::Value devices(const Napi::CallbackInfo& info);
Napi::Value network_tensors(const Napi::CallbackInfo& info);
Napi::Value network_layers(const Napi::CallbackInfo& info);
Napi::Value network_steps_at_once(const Napi::CallbackInfo& info);
Napi::Value network_memory(const Napi::CallbackInfo& info);
Napi::Value network_recorded(const Napi::CallbackInfo& info);
Napi::Value network_profile(const Napi::CallbackInfo& info);
Napi::Value network_slots(const Napi::CallbackInfo& info);
Napi::Value network_counters(const Napi::CallbackInfo& info);
Napi::Value network_set_counters(const Napi::CallbackInfo& info);
Napi::Value network_abort(const Napi::CallbackInfo& info);
Napi::Value network_dispose(const Napi::CallbackInfo& info);

// description.cc: answers at once, knows no network
Napi::Value input_encoding(const Napi::CallbackInfo& info);
Napi::Array encoder_names(Napi::Env env);
Napi::Array surrogate_names(Napi::Env env);
Napi::Array simulated_code_names(Napi::Env env);
Napi::Object limit_table(Napi::Env env);

// network_state.cc: answers a promise
Napi::Value network_create(const Napi::CallbackInfo& info);
Napi::Value network_read(const Napi::CallbackInfo& info);
Napi::Value network_write(const Napi::CallbackInfo& info);
Napi::Value network_reset_optimizer(const Napi::CallbackInfo& info);

// network_jobs.cc: answers a promise
Napi::Value network_forward(const Napi::CallbackInfo& info);
Napi::Value network_gradients(const Napi::CallbackInfo& info);
Napi::Value network_train(const Napi::CallbackInfo& info);
Napi::Value network_activations(const Napi::CallbackInfo& info);
Napi::Value network_calibrate(const Napi::CallbackInfo& info);
Napi::Value network_fit_genes(const Napi::CallbackInfo& info);

// simulation.cc: a job, and how far it is
Napi::Value network_simulate(const Napi::CallbackInfo& info);
Napi::Value network_progress(const Napi::CallbackInfo& info);

// dataset.cc
Napi::Value dataset_create(const Napi::CallbackInfo& info);
Napi::Value dataset_dispose(const Napi::CallbackInfo& info);

// communicator.cc: the ranks that train together; a promise but for the last three
Napi::Value communicator_open(const Napi::CallbackInfo& info);
Napi::Value communicator_broadcast(const Napi::CallbackInfo& info);
Napi::Value communicator_gather(const Napi::CallbackInfo& info);
Napi::Value communicator_last_words(const Napi::CallbackInfo& info);
Napi::Value communicator_link(const Napi::CallbackInfo& info);
Napi::Value communicator_barrier(const Napi::CallbackInfo& info);
Napi::Value communicator_close(const Napi::CallbackInfo& info);
Napi::Value communicator_place(const Napi::CallbackInfo& info);
Napi::Value communicator_abort(const Napi::CallbackInfo& info);
Napi::Value nccl_version(const Napi::CallbackInfo& info);

}  // namespace onespike::addon
