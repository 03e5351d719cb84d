//! Gives the shared library its soname: programs ask for it by the version they were built against.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libframebroker.so.0");
}
