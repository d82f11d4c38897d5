# The web console (ui/) as part of a target: built by scripts/build_console, which needs Node.js. Without it the build
# fails and says so; WEIR_CONSOLE=OFF (as the presets mutants, asan, tsan and fuzz have it) leaves the console out, and
# weir says so at /console/.
option(WEIR_CONSOLE "build the web console into the program (needs Node.js 20.19 or later)" ON)

function(weir_console target)
  set(directory ${CMAKE_BINARY_DIR}/console)
  set(out ${directory}/console_files.cc)
  if(WEIR_CONSOLE)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/ui/src/* ${CMAKE_SOURCE_DIR}/ui/tools/*)
    file(GLOB top CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/ui/*.json ${CMAKE_SOURCE_DIR}/ui/*.ts ${CMAKE_SOURCE_DIR}/ui/*.js
         ${CMAKE_SOURCE_DIR}/ui/*.html ${CMAKE_SOURCE_DIR}/ui/.npmrc)
    add_custom_command(OUTPUT ${out} COMMAND ${CMAKE_SOURCE_DIR}/scripts/build_console ${directory}
                       DEPENDS ${sources} ${top} ${CMAKE_SOURCE_DIR}/scripts/build_console
                       COMMENT "web console" VERBATIM)
  else()
    set(out ${directory}/no_console.cc)
    file(CONFIGURE OUTPUT ${out} @ONLY CONTENT [[#include "weir/admin/console_files.h"
std::span<const weir::admin::ConsoleFile> weir::admin::console_files() { return {}; }
]])
  endif()
  target_sources(${target} PRIVATE ${out})
endfunction()
