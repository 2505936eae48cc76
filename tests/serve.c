/* Runs an exported model through TensorFlow's C API, as a server does: no Python, no Keras, no kerasgan.

   serve DIRECTORY [run [in TENSOR DTYPE SHAPE FILE]... [out TENSOR FILE]...]...

   All runs are of one session. TENSOR is a name in the graph, as the signature tells it ("serving_default_seed:0"), SHAPE
   is "3,28,28,1". Files hold the elements one after another as they lie in memory; a string is its length in eight bytes
   and then itself. For each output a line with its type and shape is printed. A run that fails prints its message, and the
   next one follows. The exit status is the number of runs that failed, or 100 where nothing could be run. */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

enum { MOST = 16 };

static const struct { const char *name; TF_DataType type; } TYPES[] = {
    {"float32", TF_FLOAT}, {"int32", TF_INT32}, {"int64", TF_INT64}, {"uint8", TF_UINT8}, {"string", TF_STRING}};
static const int TYPES_KNOWN = sizeof TYPES / sizeof *TYPES;

static void fail(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vfprintf(stderr, format, values);
  va_end(values);
  fputc('\n', stderr);
  exit(100);
}

static TF_DataType type_of(const char *name) {
  for (int i = 0; i < TYPES_KNOWN; i++)
    if (strcmp(TYPES[i].name, name) == 0) return TYPES[i].type;
  fail("unknown type %s", name);
  return 0;
}

static const char *name_of(TF_DataType type) {
  for (int i = 0; i < TYPES_KNOWN; i++)
    if (TYPES[i].type == type) return TYPES[i].name;
  fail("unknown type %d", type);
  return NULL;
}

/* "name:index" */
static TF_Output tensor_of(TF_Graph *graph, const char *tensor) {
  char name[256];
  const char *colon = strrchr(tensor, ':');
  if (!colon || (size_t)(colon - tensor) >= sizeof name) fail("not the name of a tensor: %s", tensor);
  memcpy(name, tensor, colon - tensor);
  name[colon - tensor] = 0;
  TF_Output output = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (!output.oper) fail("no operation %s", name);
  return output;
}

static TF_Tensor *read_tensor(TF_DataType type, const char *shape, const char *path) {
  int64_t sizes[MOST];
  int rank = 0;
  size_t bytes = TF_DataTypeSize(type);
  for (const char *at = shape; *at && rank < MOST; rank++) {
    char *end;
    sizes[rank] = strtoll(at, &end, 10);
    if (end == at) fail("not a shape: %s", shape);
    bytes *= sizes[rank];
    at = *end == ',' ? end + 1 : end;
  }
  TF_Tensor *tensor = TF_AllocateTensor(type, sizes, rank, bytes);
  FILE *file = fopen(path, "rb");
  if (!file) fail("cannot read %s", path);
  if (fread(TF_TensorData(tensor), 1, bytes, file) != bytes || fgetc(file) != EOF) fail("not %zu bytes: %s", bytes, path);
  fclose(file);
  return tensor;
}

static void write_bytes(const void *data, size_t bytes, FILE *file, const char *path) {
  if (fwrite(data, 1, bytes, file) != bytes) fail("cannot write %s", path);
}

static void write_tensor(TF_Tensor *tensor, const char *path) {
  FILE *file = fopen(path, "wb");
  if (!file) fail("cannot write %s", path);
  if (TF_TensorType(tensor) == TF_STRING) {
    const TF_TString *strings = TF_TensorData(tensor);
    for (int64_t i = 0; i < TF_TensorElementCount(tensor); i++) {
      uint64_t length = TF_StringGetSize(&strings[i]);
      write_bytes(&length, sizeof length, file, path);
      write_bytes(TF_StringGetDataPointer(&strings[i]), length, file, path);
    }
  } else {
    write_bytes(TF_TensorData(tensor), TF_TensorByteSize(tensor), file, path);
  }
  if (fclose(file)) fail("cannot write %s", path);
  printf("%s", name_of(TF_TensorType(tensor)));
  for (int i = 0; i < TF_NumDims(tensor); i++) printf(" %lld", (long long)TF_Dim(tensor, i));
  printf("\n");
}

/* One run, told by words up to the next "run". Whether it succeeded. */
static int run(TF_Session *session, TF_Graph *graph, TF_Status *status, char **words, int count) {
  TF_Output inputs[MOST] = {{0}}, outputs[MOST] = {{0}};
  TF_Tensor *given[MOST] = {NULL}, *made[MOST] = {NULL};
  const char *paths[MOST] = {NULL};
  int in = 0, out = 0;
  for (int i = 0; i < count;) {
    if (strcmp(words[i], "in") == 0 && i + 4 < count && in < MOST) {
      inputs[in] = tensor_of(graph, words[i + 1]);
      given[in++] = read_tensor(type_of(words[i + 2]), words[i + 3], words[i + 4]);
      i += 5;
    } else if (strcmp(words[i], "out") == 0 && i + 2 < count && out < MOST) {
      outputs[out] = tensor_of(graph, words[i + 1]);
      paths[out++] = words[i + 2];
      i += 3;
    } else {
      fail("neither an input nor an output: %s", words[i]);
    }
  }
  TF_SessionRun(session, NULL, inputs, given, in, outputs, made, out, NULL, 0, NULL, status);
  int succeeded = TF_GetCode(status) == TF_OK;
  if (!succeeded) fprintf(stderr, "error %d: %s\n", TF_GetCode(status), TF_Message(status));
  for (int i = 0; i < in; i++) TF_DeleteTensor(given[i]);
  for (int i = 0; i < out && succeeded; i++) {
    write_tensor(made[i], paths[i]);
    TF_DeleteTensor(made[i]);
  }
  return succeeded;
}

int main(int count, char **words) {
  if (count < 2) fail("usage: serve DIRECTORY [run [in TENSOR DTYPE SHAPE FILE]... [out TENSOR FILE]...]...");
  const char *tags[] = {"serve"};
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, words[1], tags, 1, graph, NULL, status);
  if (TF_GetCode(status) != TF_OK) fail("cannot load %s: %s", words[1], TF_Message(status));
  int failed = 0;
  for (int i = 2; i < count;) {
    if (strcmp(words[i], "run") != 0) fail("not a run: %s", words[i]);
    int first = ++i;
    while (i < count && strcmp(words[i], "run") != 0) i++;
    failed += !run(session, graph, status, words + first, i - first);
  }
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return failed;
}
