//! The first program inside a desktop's sandbox. It is started by the engine, never by hand.

fn main() -> std::process::ExitCode {
    match mz_desktop::inner::run(std::env::args().skip(1)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mezzanine-desktop: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
