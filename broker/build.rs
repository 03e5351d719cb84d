//! Compiles the C++ shim of the source pylon, where that is built.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "pylon")]
    pylon::build();
}

#[cfg(feature = "pylon")]
mod pylon {
    use std::path::PathBuf;

    const SHIM: &str = "src/source/pylon/shim";

    pub fn build() {
        println!("cargo::rerun-if-env-changed=PYLON_ROOT");
        println!("cargo::rerun-if-changed={SHIM}");
        // As pylon-cxx looks for the SDK.
        let root = PathBuf::from(std::env::var_os("PYLON_ROOT").unwrap_or_else(|| "/opt/pylon".into()));
        let header = root.join("include/pylon/PylonIncludes.h");
        if !header.exists() {
            println!(
                "cargo::error=Basler's pylon SDK is not at {}: there is no {}. Install it, or have PYLON_ROOT name it",
                root.display(),
                header.display()
            );
            return;
        }
        println!("cargo::rerun-if-changed={}", header.display());
        cc::Build::new()
            .cpp(true)
            .std("c++14")
            .include(root.join("include"))
            .files(["camera.cpp", "chunks.cpp", "factory.cpp", "features.cpp"].map(|file| format!("{SHIM}/{file}")))
            // The SDK's headers are not ours to mend.
            .flag_if_supported("-Wno-unused-parameter")
            .flag_if_supported("-Wno-unknown-pragmas")
            .compile("framebroker_pylon_shim");
        // So that the broker finds the SDK when it runs, as Basler's own samples do it.
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", root.join("lib").display());
    }
}
