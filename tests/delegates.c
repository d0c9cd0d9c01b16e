/* A TensorFlow Lite delegate whose option `does` says whether it takes the first operator, nothing, or fails.
 * The first operator must be a RESHAPE of [batch, 1, 8, 8] to [batch, 64]. The types are the parts of
 * tensorflow/lite/core/c/common.h that are used here. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int size; int data[]; } Integers;

typedef struct {
  int type;
  void* data;
  Integers* dims;
  int params[2];
  int allocation_type;
  size_t bytes;
  void* unused[8];
} Tensor;

typedef struct { Integers* inputs; Integers* outputs; } Node;

typedef struct Context Context;

typedef struct {
  void* init;
  void* free;
  int (*prepare)(Context* context, Node* node);
  int (*invoke)(Context* context, Node* node);
  void* profiling_string;
  int builtin_code;
  const char* custom_name;
  int version;
  void* unused[8];
} Registration;

typedef struct Delegate {
  void* data;
  int (*prepare)(Context* context, struct Delegate* delegate);
  void* buffers[3];
  int64_t flags;
  void* opaque_builder;
} Delegate;

struct Context {
  size_t tensors_size;
  void* get_execution_plan;
  Tensor* tensors;
  void* impl;
  int (*resize_tensor)(Context* context, void* tensor, Integers* size);
  void* report_error;
  void* add_tensors;
  int (*get_node)(Context* context, int index, Node** node, Registration** registration);
  int (*replace)(Context* context, Registration registration, const Integers* nodes, Delegate* delegate);
};

static int flatten_prepare(Context* context, Node* node) {
  Integers* shape = malloc(3 * sizeof(int)); /* the runtime frees it */
  shape->size = 2;
  shape->data[0] = context->tensors[node->inputs->data[0]].dims->data[0];
  shape->data[1] = 64;
  return context->resize_tensor(context, &context->tensors[node->outputs->data[0]], shape);
}

static int flatten_invoke(Context* context, Node* node) {
  Tensor* from = &context->tensors[node->inputs->data[0]];
  Tensor* to = &context->tensors[node->outputs->data[0]];
  memcpy(to->data, from->data, to->bytes);
  return 0;
}

static int take_first(Context* context, Delegate* delegate) {
  Registration registration = {
      .prepare = flatten_prepare, .invoke = flatten_invoke, .custom_name = "first", .version = 1};
  int first[] = {1, 0};
  return context->replace(context, registration, (Integers*)first, delegate);
}

static int take_nothing(Context* context, Delegate* delegate) { return 0; }
static int refuse(Context* context, Delegate* delegate) { return 1; }

static Delegate taking_first = {.prepare = take_first};
static Delegate taking_nothing = {.prepare = take_nothing};
static Delegate refusing = {.prepare = refuse};

void* tflite_plugin_create_delegate(char** keys, char** values, size_t count, void (*report)(const char*)) {
  const char* does = "";
  for (size_t index = 0; index < count; index++)
    if (strcmp(keys[index], "does") == 0) does = values[index];
  if (strcmp(does, "first") == 0) return &taking_first;
  if (strcmp(does, "nothing") == 0) return &taking_nothing;
  if (strcmp(does, "refuse") == 0) return &refusing;
  if (strcmp(does, "report") == 0) report("no device is connected");
  return NULL;
}

void tflite_plugin_destroy_delegate(void* delegate) {}
