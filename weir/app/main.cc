// The program: one binary, one command a job.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "weir/app/embedder.h"
#include "weir/app/events_command.h"
#include "weir/app/mock/server.h"
#include "weir/app/models_command.h"
#include "weir/app/serve.h"
#include "weir/app/sim/command.h"

int main(int argc, char** argv) {
  CLI::App app("weir: a self-hosted AI gateway and inference optimizer", "weir");
  app.require_subcommand(1);
  int exit_code = 0;

  weir::app::ServeCommand serve;
  auto* serve_command = app.add_subcommand("serve", "run the gateway");
  auto* config = serve_command->add_option("--config", serve.config, "configuration file (YAML)");
  bool use_default = false;
  auto* embedded =
      serve_command->add_flag("--default", use_default, "the embedded default instead of a file");
  embedded->excludes(config);
  serve_command->add_option("--listen", serve.listen, "address of the embedded default")
      ->capture_default_str()
      ->excludes(config);
  serve_command
      ->add_option("--models-dir", serve.models_dir, "folder of local models of the embedded default")
      ->excludes(config);
  serve_command
      ->add_option("--state-dir", serve.state_dir, "where the embedded default keeps its API key and records")
      ->excludes(config);
  serve_command->callback([&] {
    if (serve.config.empty() && !use_default) throw CLI::RequiredError("--config FILE or --default");
    exit_code = weir::app::run_serve(serve);
  });

  std::string check_file;
  bool quick = false;
  auto* check_command =
      app.add_subcommand("check", "check a configuration file: every problem with its line and column");
  check_command->add_option("file", check_file, "configuration file")->required();
  check_command->add_flag("--quick", quick, "do not start the local models");
  check_command->callback([&] { exit_code = weir::app::run_check(check_file, quick); });

  weir::app::EventsCommand events;
  auto* events_command = app.add_subcommand("events", "look into the records of requests");
  events_command->require_subcommand(1);
  auto add_verb = [&](const char* name, const char* what, weir::app::EventsCommand::Verb verb) {
    auto* command = events_command->add_subcommand(name, what);
    auto* place = command->add_option_group("place")->require_option(1);
    place->add_option("--data", events.data, "the data directory");
    place->add_option("--config", events.config, "the configuration file that names it");
    command->callback([&events, &exit_code, verb] {
      events.verb = verb;
      exit_code = weir::app::run_events(events);
    });
    return command;
  };
  using Verb = weir::app::EventsCommand::Verb;
  auto* tail = add_verb("tail", "the last records, a line each", Verb::kTail);
  tail->add_flag("-f,--follow", events.follow, "go on with what comes");
  tail->add_option("-n,--lines", events.lines, "how many")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  tail->add_flag("--json", events.json, "one JSON object a line, with every field");
  auto* query = add_verb("query", "SQL over the table events (docs/events.md)", Verb::kQuery);
  query->add_option("sql", events.sql, "one statement that reads")->required();
  auto* as_json = query->add_flag("--json", events.json, "one JSON object a line");
  query->add_flag("--csv", events.csv, "comma-separated values")->excludes(as_json);
  auto* exported = add_verb("export", "every record, oldest first", Verb::kExport);
  exported->add_option("--format", events.format)
      ->check(CLI::IsMember({"jsonl", "csv"}))
      ->capture_default_str();
  exported->add_option("--since", events.since,
                       "received at or after: 2026-11-21T08:00 (UTC), or 15m, 2h, 7d ago");
  exported->add_option("--until", events.until, "received before");

  weir::app::ModelsCommand models;
  auto* models_command = app.add_subcommand(
      "models", "what is known of public models: limits, abilities, prices (docs/registry.md)");
  models_command->add_option("name", models.name, "models whose names begin so");
  models_command->add_option("--provider", models.vendor, "of this provider: openai, anthropic, groq ...");
  models_command->add_flag("--json", models.json, "one JSON object a line, with every field");
  models_command->callback([&] { exit_code = weir::app::run_models(models); });

  weir::app::MockCommand mock;
  auto* mock_command =
      app.add_subcommand("mock", "a scriptable model server in four dialects, for tests and demos");
  mock_command->add_option("--listen", mock.listen, "address")->capture_default_str();
  mock_command->add_option("--plan", mock.plan, "file with what to do, whatever the requests say (JSON)");
  mock_command->callback([&] { exit_code = weir::app::run_mock(mock); });

  weir::app::sim::SimCommand sim;
  auto* sim_command = app.add_subcommand(
      "sim",
      "simulate whole worlds (gateways, model servers, clients, faults) from seeds and check what must hold");
  auto* seed = sim_command->add_option("--seed", sim.seed, "this one world");
  auto* seeds = sim_command->add_option("--seeds", sim.seeds, "worlds A..B, both included")->excludes(seed);
  auto* minutes =
      sim_command->add_option("--minutes", sim.minutes, "fresh seeds for so long")->excludes(seed, seeds);
  sim_command->add_option("--fresh", sim.fresh, "so many fresh seeds")->excludes(seed, seeds, minutes);
  sim_command->add_flag("--trace", sim.trace, "tell what happens, a line each");
  sim_command->add_flag("--keep-going", sim.keep_going, "go on after a failing seed");
  sim_command->add_option("--mutation", sim.mutation, "plant a deliberate bug (builds with mutations only)");
  sim_command->callback([&] { exit_code = weir::app::sim::run_sim(sim); });

  weir::app::EmbedderCommand embedder;
  auto* embedder_command =
      app.add_subcommand("embedder", "serve an embedding model on a Unix socket (started by serve)");
  embedder_command->add_option("--socket", embedder.socket, "path of the Unix socket")->required();
  embedder_command->add_option("--library", embedder.library, "ONNX Runtime shared library")->required();
  embedder_command->add_option("--model", embedder.model, "model file (.onnx)")->required();
  embedder_command->add_option("--tokenizer", embedder.tokenizer, "tokenizer.json")->required();
  embedder_command->add_option("--model-name", embedder.model_name, "name it answers to");
  embedder_command->add_option("--pooling", embedder.pooling, "cls (bge) or mean (MiniLM, e5)")
      ->check(CLI::IsMember({"cls", "mean"}))
      ->capture_default_str();
  embedder_command
      ->add_option("--threads", embedder.threads,
                   "texts embedded at once, each on one thread; 0: one for each core but one")
      ->capture_default_str();
  embedder_command->callback([&] { exit_code = weir::app::run_embedder(embedder); });

  app.add_subcommand("version", "print the version")->callback([] { std::puts("weir " WEIR_VERSION); });

  CLI11_PARSE(app, argc, argv);
  return exit_code;
}
