// @ts-check
// Names of hooks.

/** The residual stream before a block is the one after the block before it. @param {string} hook */
function plain(hook) {
  const [, layer] = /^blocks\.(\d+)\.hook_resid_pre$/.exec(hook) ?? [];
  return Number(layer) > 0 ? `blocks.${Number(layer) - 1}.hook_resid_post` : hook;
}

/** Whether two hooks have the same values. @param {string} a @param {string} b */
export const sameHook = (a, b) => plain(a) === plain(b);
