//! Check that this processor has the instructions that llama.cpp was compiled for.
//!
//! In a program for other machines than the one that built it, our code runs on any processor, and llama.cpp on those
//! with AVX2; on an older one llama.cpp would end the process at the first such instruction, without a message. A
//! program built for the machine's own processor (`target-cpu=native`) is not protected: there our code, including
//! this check, needs its instructions.

use std::ffi::c_int;

use llama_cpp_sys_2 as sys;
use thiserror::Error;

/// Error of a llama.cpp compiled for processors with instructions that this one lacks.
#[derive(Debug, Error)]
#[error(
    "the llama.cpp in this program is for processors with {}, which this one lacks; build qes-gguf on this machine \
     (cargo install --path . --locked), which takes what is here. All that needs no inference works: export, apply, revert, \
     verify, inspect, report",
    .0.join(", ")
)]
pub(super) struct OtherProcessor(Vec<&'static str>);

/// An extension, whether llama.cpp was compiled for it, and whether this processor has it.
type Extension = (&'static str, unsafe extern "C" fn() -> c_int, bool);

/// Checks the processor before llama.cpp is called for the first time.
pub(super) fn check() -> Result<(), OtherProcessor> {
    // SAFETY: these functions take nothing and return a constant.
    let is_built_for = |ask: unsafe extern "C" fn() -> c_int| unsafe { ask() } != 0;
    missing(extensions().into_iter().map(|(name, ask, is_here)| (name, is_built_for(ask), is_here)))
}

/// Returns the instructions that llama.cpp was compiled for, of which its results may depend in their last bits.
pub(super) fn built_for() -> Vec<&'static str> {
    // SAFETY: these functions take nothing and return a constant.
    let is_built_for = |ask: unsafe extern "C" fn() -> c_int| unsafe { ask() } != 0;
    extensions().into_iter().filter(|(_, ask, _)| is_built_for(*ask)).map(|(name, ..)| name).collect()
}

fn missing(extensions: impl Iterator<Item = (&'static str, bool, bool)>) -> Result<(), OtherProcessor> {
    let missing: Vec<_> = extensions
        .filter(|(_, is_built_for, is_here)| *is_built_for && !is_here)
        .map(|(name, ..)| name)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(OtherProcessor(missing)) }
}

#[cfg(target_arch = "x86_64")]
fn extensions() -> Vec<Extension> {
    use std::is_x86_feature_detected as has;
    vec![
        ("SSSE3", sys::ggml_cpu_has_ssse3, has!("ssse3")),
        ("AVX", sys::ggml_cpu_has_avx, has!("avx")),
        ("AVX2", sys::ggml_cpu_has_avx2, has!("avx2")),
        ("BMI2", sys::ggml_cpu_has_bmi2, has!("bmi2")),
        ("F16C", sys::ggml_cpu_has_f16c, has!("f16c")),
        ("FMA", sys::ggml_cpu_has_fma, has!("fma")),
        ("AVX-VNNI", sys::ggml_cpu_has_avx_vnni, has!("avxvnni")),
        ("AVX-512", sys::ggml_cpu_has_avx512, has!("avx512f")),
        ("AVX-512 VBMI", sys::ggml_cpu_has_avx512_vbmi, has!("avx512vbmi")),
        ("AVX-512 VNNI", sys::ggml_cpu_has_avx512_vnni, has!("avx512vnni")),
        ("AVX-512 BF16", sys::ggml_cpu_has_avx512_bf16, has!("avx512bf16")),
    ]
}

#[cfg(target_arch = "aarch64")]
fn extensions() -> Vec<Extension> {
    use std::arch::is_aarch64_feature_detected as has;
    vec![
        ("half-precision arithmetic", sys::ggml_cpu_has_fp16_va, has!("fp16")),
        ("dot products", sys::ggml_cpu_has_dotprod, has!("dotprod")),
        ("8-bit matrix products (i8mm)", sys::ggml_cpu_has_matmul_int8, has!("i8mm")),
        ("SVE", sys::ggml_cpu_has_sve, has!("sve")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn extensions() -> Vec<Extension> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_built_for_and_not_here_is_missing() {
        let cases = [("both", true, true), ("here", false, true), ("neither", false, false)];
        assert!(missing(cases.into_iter()).is_ok());
        let lacking = cases.into_iter().chain([("AVX2", true, false), ("FMA", true, false)]);
        let error = missing(lacking).unwrap_err().to_string();
        assert!(error.contains("processors with AVX2, FMA, which this one lacks"), "{error}");
    }

    #[test]
    fn the_processor_that_runs_the_tests_is_good_enough() {
        assert!(check().is_ok());
    }
}
