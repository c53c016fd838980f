//! `cargo demo`: the whole platform with Korat's agencies, on this machine. See [`eoffice_tests::demo`].

fn main() -> std::process::ExitCode {
    eoffice_tests::demo::main()
}
