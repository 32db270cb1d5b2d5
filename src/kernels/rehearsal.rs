//! Work that is asked of a GPU and left undone, so that its shaders are compiled before anybody waits for them.

use burn::tensor::Device;

use crate::error::Result;

/// Does `work` without computing anything: each kernel that it launches is asked for as at its first use, and then left out. What it
/// makes is garbage and has to be dropped; nothing that was there before changes. The browser compiles what was asked for when
/// [`crate::progress::Progress::Shaders`] is reached, or else at its first use. Whether there is a GPU: on the CPU nothing is done.
pub fn rehearse(device: &Device, work: impl FnOnce() -> Result<()>) -> Result<bool> {
    #[cfg(target_arch = "wasm32")]
    if burn::tensor::Tensor::<1>::empty([1], device).try_into_primitive::<burn_wgpu::Wgpu>().is_ok() {
        let _dry = cubecl::dry_run::DryRun::new();
        return work().map(|()| true);
    }
    let _ = (device, work);
    Ok(false)
}
