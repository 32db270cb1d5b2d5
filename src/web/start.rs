//! What runs once when the module is instantiated: the constructors of the crates (`inventory`, in
//! cubecl, registers its dialects through them).
//!
//! Where no code calls them, the linker takes the module for a program and makes *every* exported
//! function run them first: 3 ms and a leak at each call, wasm-bindgen's own allocations included.
//! Calling them here makes it leave the exports alone (wasm-ld, `createCommandExportWrappers`).

use wasm_bindgen::prelude::*;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[wasm_bindgen(start)]
fn start() {
    // SAFETY: the linker defines it; it runs once, before anything else of the module.
    unsafe { __wasm_call_ctors() }
}
