#include "weir/app/config_watch.h"

#include "weir/app/config_file.h"

namespace weir::app {

ConfigWatch::ConfigWatch(io::Loop& loop, Gateway& gateway, std::string path)
    : loop_(loop), gateway_(gateway), path_(std::move(path)), seen_(look()) {
  loop_.arm(*this, seconds(1));
}

void ConfigWatch::reload() {
  seen_ = look();
  auto settings = load_settings(path_, loop_.disk(), loop_.processes());
  if (settings) {
    gateway_.set_shown_config(shown_config_file(path_, loop_.disk()));
    gateway_.reload(*settings);
  } else {
    gateway_.refused_configuration(settings.error().message);
  }
}

void ConfigWatch::on_timer() {
  if (auto now = look(); now != seen_) reload();
  loop_.arm(*this, seconds(1));
}

}  // namespace weir::app
