fn main() -> std::process::ExitCode {
    mz_engine::cli::main()
}
