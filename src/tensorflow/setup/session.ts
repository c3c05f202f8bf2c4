/**
 * The binding opens a graph's session with TensorFlow's defaults, and has no function to change them. So its call that loads a model
 * is compiled as a call of this function, which reads the session's configuration from the model's folder.
 */
import { CONFIG_FILE } from '../session-config.js';

/** The definition that redirects the call. */
export const SESSION_DEFINITION = '-DTF_LoadSessionFromSavedModel=haze_load_session';

/** C++ that is compiled into the binding, with `SESSION_DEFINITION`. */
export const SESSION_SOURCE = `
#include <fstream>
#include <iterator>
#include <string>
#include "tensorflow/c/c_api.h"

#undef TF_LoadSessionFromSavedModel
extern "C" TF_Session *TF_LoadSessionFromSavedModel(
    const TF_SessionOptions *, const TF_Buffer *, const char *, const char *const *, int, TF_Graph *, TF_Buffer *, TF_Status *);

extern "C" TF_Session *haze_load_session(
    const TF_SessionOptions *options, const TF_Buffer *run, const char *folder, const char *const *tags, int count,
    TF_Graph *graph, TF_Buffer *meta, TF_Status *status) {
  std::ifstream file(std::string(folder) + "/${CONFIG_FILE}", std::ios::binary);
  std::string config((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!config.empty()) {
    TF_SetConfig(const_cast<TF_SessionOptions *>(options), config.data(), config.size(), status);
    if (TF_GetCode(status) != TF_OK) return nullptr;
  }
  return TF_LoadSessionFromSavedModel(options, run, folder, tags, count, graph, meta, status);
}
`;
