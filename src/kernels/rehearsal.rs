//! Work that is asked of a GPU and left undone, so that its shaders are compiled before anybody waits for them.

use burn::tensor::Device;

use crate::error::Result;

/// Does `work` without computing anything: each kernel that it launches is asked for as at its first use, and then left out. What it
/// makes is garbage and has to be dropped, so nothing may be made in it that stays; of tensors that were there before none changes. The browser
/// compiles what was asked for when [`crate::progress::Progress::Shaders`] is reached, or else at its first use. Whether there is a GPU and the work
/// came to its end: on the CPU nothing is done, and what fails in a rehearsal says so when it is done.
pub fn rehearse(device: &Device, work: impl FnOnce() -> Result<()>) -> bool {
    #[cfg(target_arch = "wasm32")]
    if burn::tensor::Tensor::<1>::empty([1], device).try_into_primitive::<burn_wgpu::Wgpu>().is_ok() {
        let _dry = cubecl::dry_run::DryRun::new();
        return work().is_ok();
    }
    let _ = (device, work);
    false
}
