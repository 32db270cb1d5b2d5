//! The places of the model that can be read and changed, under TransformerLens's names.

use std::fmt;
use std::str::FromStr;

use super::config::Config;
use crate::error::{LabError, Result, code};

/// Where in a block, in the order of computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    ResidPre,
    Pattern,
    Z,
    AttnOut,
    ResidMid,
    MlpPost,
    MlpOut,
    ResidPost,
    /// `ln_final.hook_normalized`; its layer is the number of layers.
    Normalized,
}

const BLOCK_SITES: [(Site, &str); 8] = [
    (Site::ResidPre, "hook_resid_pre"),
    (Site::Pattern, "attn.hook_pattern"),
    (Site::Z, "attn.hook_z"),
    (Site::AttnOut, "hook_attn_out"),
    (Site::ResidMid, "hook_resid_mid"),
    (Site::MlpPost, "mlp.hook_post"),
    (Site::MlpOut, "hook_mlp_out"),
    (Site::ResidPost, "hook_resid_post"),
];
const FINAL: &str = "ln_final.hook_normalized";

/// A place in the model; the derived order is the order of computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookPoint {
    pub layer: usize,
    pub site: Site,
}

impl HookPoint {
    pub fn new(layer: usize, site: Site) -> Self {
        Self { layer, site }
    }

    /// Parses a name and checks that this model has it.
    pub fn parse(name: &str, config: &Config) -> Result<Self> {
        let unknown = |why: String| {
            LabError::new(
                code::UNKNOWN_HOOK,
                format!("There is no hook {name:?}: {why}"),
                format!(
                    "Hooks are blocks.0 to blocks.{} with hook_resid_pre, hook_resid_mid, hook_resid_post, hook_attn_out, hook_mlp_out, attn.hook_pattern, attn.hook_z or mlp.hook_post, and {FINAL}.",
                    config.n_layers - 1
                ),
            )
        };
        let mut point: HookPoint = name.parse().map_err(|()| unknown("the name is not one of the hooks.".into()))?;
        if point.site == Site::Normalized {
            point.layer = config.n_layers;
        } else if point.layer >= config.n_layers {
            return Err(unknown(format!("this model has {} layers, counted from 0.", config.n_layers)));
        }
        Ok(point)
    }

    /// Every hook of a model, in the order of computation.
    pub fn all(config: &Config) -> Vec<HookPoint> {
        let blocks = (0..config.n_layers).flat_map(|l| BLOCK_SITES.iter().map(move |(site, _)| HookPoint::new(l, *site)));
        blocks.chain([HookPoint::new(config.n_layers, Site::Normalized)]).collect()
    }

    /// Values at one position: d_model, d_mlp, or `None` for attention patterns.
    pub fn width(self, config: &Config) -> Option<usize> {
        match self.site {
            Site::Pattern => None,
            Site::MlpPost => Some(config.d_mlp),
            _ => Some(config.d_model),
        }
    }

    /// [`HookPoint::width`], or an error that says what a pattern is.
    pub fn vector_width(self, config: &Config) -> Result<usize> {
        self.width(config).ok_or_else(|| {
            LabError::new(
                code::WIDTH_MISMATCH,
                format!("{self} is a table of attention from position to position, not one vector a position."),
                "Choose a residual-stream, attn_out, mlp_out, z or mlp.hook_post hook.",
            )
        })
    }
}

impl FromStr for HookPoint {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        if name == FINAL {
            return Ok(Self::new(usize::MAX, Site::Normalized));
        }
        let (layer, hook) = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')).ok_or(())?;
        if layer.is_empty() || !layer.bytes().all(|b| b.is_ascii_digit()) {
            return Err(());
        }
        let site = BLOCK_SITES.iter().find(|(_, n)| *n == hook).ok_or(())?.0;
        Ok(Self::new(layer.parse().map_err(drop)?, site))
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BLOCK_SITES.iter().find(|(site, _)| *site == self.site) {
            Some((_, name)) => write!(f, "blocks.{}.{name}", self.layer),
            None => f.write_str(FINAL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Config {
        Config::from_json(br#"{"vocab_size":8,"n_positions":8,"n_embd":8,"n_layer":2,"n_head":2}"#).unwrap()
    }

    #[test]
    fn every_name_parses_to_itself_in_the_order_of_computation() {
        let config = tiny();
        let all = HookPoint::all(&config);
        assert_eq!(all.len(), 17);
        assert!(all.is_sorted());
        for point in all {
            assert_eq!(HookPoint::parse(&point.to_string(), &config).unwrap(), point);
        }
    }

    #[test]
    fn what_is_no_hook_is_refused_by_name() {
        for name in [
            "",
            "blocks",
            "blocks.2.hook_resid_pre",
            "blocks.-1.hook_resid_pre",
            "blocks.1.hook_resid",
            "blocks..hook_z",
            "blocks.99999999999999999999.hook_mlp_out",
        ] {
            let error = HookPoint::parse(name, &tiny()).unwrap_err();
            assert_eq!(error.code, code::UNKNOWN_HOOK);
            assert!(error.message.contains(name));
        }
    }
}
