//! Finds libdpdk by pkg-config, compiles the C seam, binds the header and says how to link.
//!
//! Shared by default: the drivers are plug-ins that the EAL finds by itself. With the feature
//! `static` the libraries and the drivers named in [`STATIC_DRIVERS`] become part of the binary.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a build script fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The functions bound as they stand; everything else goes through `shim_*`.
const FUNCTIONS: &[&str] = &[
    "shim_.*",
    "rte_eal_(init|cleanup|remote_launch|wait_lcore|get_runtime_dir|hotplug_add|hotplug_remove)",
    "rte_eal_(has_hugepages|iova_mode)",
    "rte_dev_(probe|remove)",
    "rte_strerror",
    "rte_version",
    "rte_get_tsc_hz",
    "rte_(get_main_lcore|get_next_lcore|lcore_is_enabled|lcore_to_socket_id|socket_id)",
    "rte_lcore_to_cpu_id",
    "rte_thread_(register|unregister)",
    "rte_pktmbuf_(pool_create|free_bulk|copy)",
    "rte_mempool_(avail_count|in_use_count|lookup)",
    "rte_eth_dev_(start|stop|close|set_mtu|get_mtu|get_port_by_name|count_avail)",
    "rte_eth_promiscuous_enable",
    "rte_eth_from_rings",
    "rte_ring_(create|lookup|free)",
    "rte_rcu_qsbr_(get_memsize|init|thread_register|thread_unregister)",
];

/// The drivers that a static binary carries; archives that are not installed are left out.
const STATIC_DRIVERS: &[&str] = &[
    "bus_auxiliary",
    "bus_pci",
    "bus_vdev",
    "bus_vmbus",
    "common_iavf",
    "mempool_ring",
    "net_af_packet",
    "net_af_xdp",
    "net_e1000",
    "net_ena",
    "net_i40e",
    "net_iavf",
    "net_ice",
    "net_igc",
    "net_ixgbe",
    "net_memif",
    "net_null",
    "net_pcap",
    "net_ring",
    "net_tap",
    "net_vhost",
    "net_virtio",
    "net_vmxnet3",
];

fn main() {
    for file in ["c/wrapper.h", "c/shim.h", "c/shim.c", "build.rs"] {
        println!("cargo:rerun-if-changed={file}");
    }
    // Found before it is linked, so that `static` can choose the archives itself.
    let library = pkg_config::Config::new()
        .atleast_version("22.11")
        .cargo_metadata(false)
        .probe("libdpdk")
        .unwrap_or_else(|error| {
            panic!("libdpdk 22.11 or later is needed (Debian: libdpdk-dev): {error}")
        });
    let flags = compiler_flags();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    compile_shim(&flags);
    bind(&flags, &out);
    if env::var_os("CARGO_FEATURE_STATIC").is_some() {
        link_static();
    } else {
        link_shared(&library);
    }
    println!("cargo:version={}", library.version);
}

/// `-include rte_config.h -march=…` must reach both compilers: layouts hang on them, and the
/// pkg-config crate hands on only paths and defines.
fn compiler_flags() -> Vec<String> {
    let mut flags = pkg_config_words(&["--cflags"]);
    flags.push("-DALLOW_EXPERIMENTAL_API".into());
    flags
}

fn pkg_config_words(arguments: &[&str]) -> Vec<String> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(program)
        .args(arguments)
        .arg("libdpdk")
        .output()
        .expect("pkg-config runs");
    assert!(
        output.status.success(),
        "pkg-config {arguments:?} libdpdk failed"
    );
    String::from_utf8(output.stdout)
        .expect("flags are text")
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn compile_shim(flags: &[String]) {
    let mut build = cc::Build::new();
    build
        .file("c/shim.c")
        .include("c")
        .opt_level(3)
        .warnings(false);
    for flag in flags {
        build.flag(flag);
    }
    build.compile("dpdk_sys_shim");
}

fn bind(flags: &[String], out: &Path) {
    let mut builder = bindgen::Builder::default()
        .header("c/wrapper.h")
        .clang_args(flags)
        .allowlist_type("shim_.*")
        .allowlist_var("SHIM_.*")
        // Written by hand in `src/mbuf.rs`, or never looked into.
        .blocklist_type("rte_mbuf")
        .opaque_type("rte_mempool|rte_ring|rte_rcu_qsbr")
        .blocklist_item("pthread.*|__pthread.*")
        .use_core()
        .layout_tests(true)
        .generate_comments(false)
        .raw_line("use crate::mbuf::rte_mbuf;");
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    builder
        .generate()
        .expect("bindgen reads c/wrapper.h")
        .write_to_file(out.join("bindings.rs"))
        .expect("OUT_DIR takes the bindings");
}

fn link_shared(library: &pkg_config::Library) {
    for path in &library.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    // Only what is called: each library named here is one that the binary needs at run time.
    for name in [
        "ethdev", "mbuf", "mempool", "rcu", "ring", "eal", "net_ring",
    ] {
        println!("cargo:rustc-link-lib=dylib=rte_{name}");
    }
}

fn link_static() {
    let directory = pkg_config_words(&["--variable=libdir"]).concat();
    println!("cargo:rustc-link-search=native={directory}");
    let words = pkg_config_words(&["--static", "--libs"]);
    let mut system = Vec::new();
    for word in &words {
        if let Some(archive) = word.strip_prefix("-l:") {
            if wanted(archive) && fs::metadata(Path::new(&directory).join(archive)).is_ok() {
                // Whole: drivers make themselves known from constructors that nothing refers to.
                println!("cargo:rustc-link-lib=static:+verbatim,+whole-archive,-bundle={archive}");
            }
        } else if let Some(name) = word.strip_prefix("-l")
            && !name.starts_with("rte_")
            && !system.contains(&name)
        {
            system.push(name);
        }
    }
    for name in system {
        let found = ["so", "a"].iter().any(|end| {
            Path::new(&directory)
                .join(format!("lib{name}.{end}"))
                .exists()
        });
        if found {
            println!("cargo:rustc-link-lib=dylib={name}");
        }
    }
}

/// Whether a static binary takes this archive: every library, and the drivers of the list.
fn wanted(archive: &str) -> bool {
    const DRIVER_CLASSES: &[&str] = &[
        "baseband", "bus", "common", "compress", "crypto", "dma", "event", "mempool", "net", "raw",
        "regex", "vdpa",
    ];
    let Some(name) = archive
        .strip_prefix("librte_")
        .and_then(|rest| rest.strip_suffix(".a"))
    else {
        return false;
    };
    let driver = name
        .split_once('_')
        .is_some_and(|(class, _)| DRIVER_CLASSES.contains(&class));
    !driver || STATIC_DRIVERS.contains(&name)
}
