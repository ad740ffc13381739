//! The `tercet` executable.

fn main() -> std::process::ExitCode {
    tercet::main()
}
