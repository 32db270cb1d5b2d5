//! Writes the JavaScript that stands between the page and a module made by cargo: what wasm-bindgen's
//! command line tool does for `--target web`. `build.sh` compiles it against the library
//! `wasm-bindgen-cli-support` in exactly the version of `wasm-bindgen` in Cargo.lock, because the
//! command line tool of that version does not install with `--locked`.
//!
//! Usage: `glue MODULE.wasm FOLDER` writes `FOLDER/MODULE.js` and `FOLDER/MODULE_bg.wasm`.

use std::env::args;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (Some(module), Some(folder)) = (args().nth(1), args().nth(2)) else {
        return Err("usage: glue MODULE.wasm FOLDER".into());
    };
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(false)
        .generate(folder)?;
    Ok(())
}
