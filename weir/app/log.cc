#include "weir/app/log.h"

#include "weir/base/json_write.h"
#include "weir/base/time_text.h"

namespace weir::app {

void Log::write(LogLevel level, std::string_view message, Fields fields) {
  static constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
  if (level < level_) return;
  std::string line;
  json::Writer writer(line);
  writer.begin_object();
  writer.member("time", rfc3339(loop_.wall_now())).member("level", kNames[static_cast<size_t>(level)]);
  writer.member("message", message);
  for (const auto& [key, value] : fields)
    writer.member(key, value);
  writer.end_object();
  line += '\n';
  writer_->append(line);
}

}  // namespace weir::app
