//! Chores of this repository: `cargo xtask help`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

mod api;
mod bench;
mod deploy;
mod gate;
mod image;
mod run;
mod setup;
mod tidy;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  setup [build|test]   install what is missing to build (and test): says what, asks nothing
  tidy                 check the dependency arrows and the habits of files
  test                 everything: tidy, format, lints, all tests, namespaces included
  demo [ARGUMENTS]     build in release and show the UPF at work
  sim [--seed S] [--steps N] [--only A,B,...]
                       SMFs, a bad network, restarts and damage against the N4 node, in virtual time
  gate [record]        count instructions per packet, request and message (callgrind); fails at 3 % above
                       the record
  deploy               check the Helm chart, the systemd unit, the JSON Schema and the licences of
                       dependencies; write the bills of materials
  api                  requests to the API of a UPF that runs, made up from its description (schemathesis)
  image [BINARY]       assemble the root file system of the container image, and run it
  bench [--quick|--full] [--only path,rings,n4,codec] [--out DIR]
                       measure the packet path, a worker, N4 and the codec; writes report.md,
                       results.json and plots to target/bench (docs/benchmarking.md)
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", arguments.as_slice()),
    };
    match command {
        "setup" => setup::install(rest.first().is_some_and(|word| word == "test")),
        "tidy" => tidy::check(),
        "test" => run::test(),
        "demo" => run::demo(rest),
        "sim" => run::sim(rest),
        "deploy" => deploy::deploy(),
        "api" => api::api(),
        "image" => image::image(rest.first().map(String::as_str)),
        "bench" => bench::bench(rest),
        "gate" => gate::gate(rest.first().is_some_and(|word| word == "record")),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command {other:?}\n\n{HELP}"),
    }
}
