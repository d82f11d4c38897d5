// The runtime's C interface is one table of function pointers that only ever grows at its end, so a slot's
// number holds for every release; no package on the platforms we build on ships its header. The numbers are
// positions in the table as its source lists them, and onnx_session_test.cc runs each of them against 1.31.1.
#include "weir/embed/onnx_session.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "weir/embed/shared_library.h"

namespace weir::embed {
namespace {

enum Slot : size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetGraphOptimizationLevel = 23,
  kSetIntraOpNumThreads = 24,
  kSetInterOpNumThreads = 25,
  kCreateTensorWithData = 49,
  kGetTensorMutableData = 51,
  kGetTensorElementType = 60,
  kGetDimensionsCount = 61,
  kGetDimensions = 62,
  kGetTensorTypeAndShape = 65,
  kCreateCpuMemoryInfo = 69,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseTensorInfo = 99,
  kReleaseSessionOptions = 100,
};

constexpr uint32_t kApiVersion = 17;
constexpr int kLogFatal = 4;  // errors come back as values; nothing on stderr
constexpr int kOptimizeAll = 99;
constexpr int kArenaAllocator = 1, kMemoryDefault = 0;
constexpr int kElementFloat = 1, kElementInt64 = 7;

struct ApiBase {
  const void* const* (*get_api)(uint32_t version);
  const char* (*version)();
};

class Api {
 public:
  explicit Api(const void* const* table) : table_(table) {}

  /// Calls a function that answers with a status; its message becomes the error's. Arguments must have
  /// exactly the types of the C declaration, all pointers being void*.
  template <class... A>
  Result<void> call(Slot slot, A... arguments) const {
    void* status = function<void*(A...)>(slot)(arguments...);
    if (!status) return {};
    std::string message = function<const char*(void*)>(kGetErrorMessage)(status);
    release(kReleaseStatus, status);
    return fail_internal(ErrorCode::kInternal, "ONNX Runtime: " + std::move(message));
  }

  void release(Slot slot, void* object) const {
    if (object) function<void(void*)>(slot)(object);
  }

 private:
  template <class F>
  F* function(Slot slot) const {
    return reinterpret_cast<F*>(const_cast<void*>(table_[slot]));
  }
  const void* const* table_;
};

/// One object of the runtime, released by the function in `slot`.
class Object {
 public:
  Object(const Api& api, Slot slot) : api_(&api), slot_(slot) {}
  Object(Object&& other) noexcept
      : api_(other.api_), slot_(other.slot_), object_(std::exchange(other.object_, nullptr)) {}
  Object& operator=(Object&&) = delete;
  ~Object() { api_->release(slot_, object_); }
  void* get() const { return object_; }
  void* out() { return &object_; }  // for functions that create

 private:
  const Api* api_;
  Slot slot_;
  void* object_ = nullptr;
};

Result<Api> bind(const std::string& path) {
  TRY(auto library, SharedLibrary::open(path));
  auto* get_base = library.function<const ApiBase*()>("OrtGetApiBase");
  if (!get_base)
    return fail_internal(ErrorCode::kConfig, fmt::format("library {}: this is not ONNX Runtime", path));
  const ApiBase* base = get_base();
  const void* const* table = base->get_api(kApiVersion);
  if (!table)
    return fail_internal(ErrorCode::kConfig,
                         fmt::format("library {}: ONNX Runtime {} is too old, 1.{} is needed", path,
                                     base->version(), kApiVersion));
  return Api(table);
}

}  // namespace

struct OnnxSession::Handles {
  explicit Handles(Api bound) : api(bound) {}
  Result<void> create(const OnnxSessionOptions& options);
  Result<Object> tensor_of(std::span<const int64_t> values) const;
  Result<Matrix> matrix_of(const Object& tensor) const;

  const Api api;
  Object env{api, kReleaseEnv};
  Object memory{api, kReleaseMemoryInfo};
  Object session{api, kReleaseSession};  // goes before the environment it lives in
  std::string output;
};

OnnxSession::OnnxSession(std::unique_ptr<Handles> handles) : handles_(std::move(handles)) {}
OnnxSession::~OnnxSession() = default;

Result<std::unique_ptr<OnnxSession>> OnnxSession::open(const OnnxSessionOptions& options) {
  TRY(Api api, bind(options.library_path));
  auto handles = std::make_unique<Handles>(api);
  if (auto made = handles->create(options); !made) {
    Error e = std::move(made).error();
    e.code = ErrorCode::kConfig;
    e.message = fmt::format("model {}: {}", options.model_path, e.message);
    return Unexpected(std::move(e));
  }
  return std::unique_ptr<OnnxSession>(new OnnxSession(std::move(handles)));
}

Result<void> OnnxSession::Handles::create(const OnnxSessionOptions& options) {
  output = options.output;
  Object settings(api, kReleaseSessionOptions);
  TRY_VOID(api.call(kCreateEnv, kLogFatal, static_cast<const void*>("weir"), env.out()));
  TRY_VOID(api.call(kCreateSessionOptions, settings.out()));
  TRY_VOID(api.call(kSetIntraOpNumThreads, settings.get(), options.threads));
  TRY_VOID(api.call(kSetInterOpNumThreads, settings.get(), 1));
  TRY_VOID(api.call(kSetGraphOptimizationLevel, settings.get(), kOptimizeAll));
  TRY_VOID(api.call(kCreateCpuMemoryInfo, kArenaAllocator, kMemoryDefault, memory.out()));
  return api.call(kCreateSession, env.get(), static_cast<const void*>(options.model_path.c_str()),
                  settings.get(), session.out());
}

// A tensor of shape [1, n] over memory that the caller keeps alive.
Result<Object> OnnxSession::Handles::tensor_of(std::span<const int64_t> values) const {
  std::array<int64_t, 2> shape = {1, static_cast<int64_t>(values.size())};
  Object tensor(api, kReleaseValue);
  TRY_VOID(api.call(kCreateTensorWithData, memory.get(),
                    const_cast<void*>(static_cast<const void*>(values.data())), values.size_bytes(),
                    static_cast<const void*>(shape.data()), shape.size(), kElementInt64, tensor.out()));
  return tensor;
}

// The floats of a tensor of shape [1, rows, columns]. The shape is the model file's word: checked, not
// trusted.
Result<Matrix> OnnxSession::Handles::matrix_of(const Object& tensor) const {
  Object info(api, kReleaseTensorInfo);
  TRY_VOID(api.call(kGetTensorTypeAndShape, tensor.get(), info.out()));
  int type = 0;
  size_t rank = 0;
  std::array<int64_t, 3> shape{};
  TRY_VOID(api.call(kGetTensorElementType, info.get(), static_cast<void*>(&type)));
  TRY_VOID(api.call(kGetDimensionsCount, info.get(), static_cast<void*>(&rank)));
  if (type != kElementFloat || rank != shape.size())
    return fail_internal(ErrorCode::kInternal, fmt::format("output {} is no float tensor of rank 3", output));
  TRY_VOID(api.call(kGetDimensions, info.get(), static_cast<void*>(shape.data()), rank));
  if (shape[0] != 1 || shape[1] < 1 || shape[2] < 1)
    return fail_internal(ErrorCode::kInternal,
                         fmt::format("output {} has shape {}x{}x{}", output, shape[0], shape[1], shape[2]));
  float* data = nullptr;
  TRY_VOID(api.call(kGetTensorMutableData, tensor.get(), static_cast<void*>(&data)));
  size_t rows = static_cast<size_t>(shape[1]), columns = static_cast<size_t>(shape[2]);
  return Matrix{rows, columns, std::vector<float>(data, data + rows * columns)};
}

Result<Matrix> OnnxSession::run(std::span<const int64_t> ids) const {
  const Handles& h = *handles_;
  std::vector<int64_t> ones(ids.size(), 1), zeros(ids.size(), 0);
  TRY(Object id_tensor, h.tensor_of(ids));
  TRY(Object mask_tensor, h.tensor_of(ones));
  TRY(Object type_tensor, h.tensor_of(zeros));
  std::array<const char*, 3> names = {"input_ids", "attention_mask", "token_type_ids"};
  std::array<void*, 3> inputs = {id_tensor.get(), mask_tensor.get(), type_tensor.get()};
  const char* output_name = h.output.c_str();
  Object output(h.api, kReleaseValue);
  TRY_VOID(h.api.call(kRun, h.session.get(), static_cast<const void*>(nullptr),
                      static_cast<const void*>(names.data()), static_cast<const void*>(inputs.data()),
                      names.size(), static_cast<const void*>(&output_name), size_t{1}, output.out()));
  return h.matrix_of(output);
}

}  // namespace weir::embed
