//! The programs that are built from Go modules: one row a part.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// A Go module of the sandbox's own, that names the real program it builds and pins all it is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct GoPart {
    pub name: &'static str,
    /// File name and text of each file of the module.
    pub files: &'static [(&'static str, &'static str)],
    pub programs: &'static [Program],
    pub ldflags: &'static str,
    /// Folders to keep of the modules it is made of.
    pub assets: &'static [Asset],
    /// What the first build took on 2 cores.
    pub first_build: Duration,
}

/// One program of a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    pub package: &'static str,
    /// What Go calls the file.
    pub built: &'static str,
    pub name: &'static str,
}

/// A folder of a module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    pub module: &'static str,
    pub folder: &'static str,
    pub name: &'static str,
}

macro_rules! module {
    ($part:literal $(, $more:literal)*) => {
        &[
            ("go.mod", include_str!(concat!("../../tools/", $part, "/go.mod"))),
            ("go.sum", include_str!(concat!("../../tools/", $part, "/go.sum"))),
            $(($more, include_str!(concat!("../../tools/", $part, "/", $more))),)*
        ]
    };
}

const fn program(package: &'static str, name: &'static str) -> Program {
    Program {
        package,
        built: name,
        name,
    }
}

pub(super) const ETCD: GoPart = GoPart {
    name: "etcd",
    files: module!("etcd"),
    programs: &[Program {
        package: "go.etcd.io/etcd/server/v3",
        built: "server",
        name: "etcd",
    }],
    ldflags: "-s -w",
    assets: &[],
    first_build: Duration::from_secs(20),
};

/// Without the version set, clients see v0.0.0.
const KUBERNETES_VERSION: &str = "-s -w \
     -X k8s.io/component-base/version.gitVersion=v1.36.3 \
     -X k8s.io/component-base/version.gitMajor=1 \
     -X k8s.io/component-base/version.gitMinor=36";

const CONTROLLER_MANAGER: Program = program(
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-controller-manager",
);

pub(super) const KUBERNETES: GoPart = GoPart {
    name: "kubernetes",
    files: module!("kubernetes"),
    programs: &[
        program("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
        CONTROLLER_MANAGER,
        program("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
    ],
    ldflags: KUBERNETES_VERSION,
    assets: &[],
    first_build: Duration::from_secs(270),
};

/// What is still built where KUBEBUILDER_ASSETS brings the rest.
pub(super) const CONTROLLER_MANAGER_ONLY: GoPart = GoPart {
    name: "kube-controller-manager",
    programs: &[CONTROLLER_MANAGER],
    first_build: Duration::from_secs(150),
    ..KUBERNETES
};

pub(super) const VERSITYGW: GoPart = GoPart {
    name: "versitygw",
    files: module!("versitygw"),
    programs: &[program(
        "github.com/versity/versitygw/cmd/versitygw",
        "versitygw",
    )],
    ldflags: "-s -w",
    assets: &[],
    first_build: Duration::from_secs(43),
};

pub(super) const CERT_MANAGER: GoPart = GoPart {
    name: "cert-manager",
    files: module!("cert-manager", "main.go"),
    programs: &[program(".", "cert-manager")],
    ldflags: "-s -w",
    assets: &[Asset {
        module: "github.com/cert-manager/cert-manager",
        folder: "deploy/crds",
        name: "crds",
    }],
    first_build: Duration::from_secs(75),
};

pub(super) const TRAEFIK: GoPart = GoPart {
    name: "traefik",
    files: module!("traefik"),
    programs: &[program(
        "github.com/traefik/traefik/v3/cmd/traefik",
        "traefik",
    )],
    ldflags: "-s -w",
    assets: &[],
    first_build: Duration::from_secs(225),
};

pub(super) const HELM: GoPart = GoPart {
    name: "helm",
    files: module!("helm"),
    programs: &[program("helm.sh/helm/v4/cmd/helm", "helm")],
    ldflags: "-s -w",
    assets: &[],
    first_build: Duration::from_secs(85),
};

impl GoPart {
    /// Names what is built: another text, flag or machine gives another key.
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.len().to_le_bytes());
            hash.update(text.as_bytes());
        };
        for (file, text) in self.files {
            add(file);
            add(text);
        }
        for program in self.programs {
            add(program.package);
            add(program.name);
        }
        for asset in self.assets {
            add(asset.folder);
        }
        add(self.ldflags);
        add(std::env::consts::ARCH);
        hash.finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_key_changes_with_what_is_built() {
        assert_eq!(ETCD.key(), ETCD.key());
        let other_flags = GoPart {
            ldflags: "",
            ..ETCD
        };
        let fewer_programs = CONTROLLER_MANAGER_ONLY;
        assert_ne!(other_flags.key(), ETCD.key());
        assert_ne!(fewer_programs.key(), KUBERNETES.key());
    }

    #[test]
    fn every_program_is_pinned_by_its_module() {
        for part in [ETCD, KUBERNETES, VERSITYGW, CERT_MANAGER, TRAEFIK, HELM] {
            let (_, go_mod) = part.files[0];
            for program in part.programs.iter().filter(|one| one.package != ".") {
                assert!(go_mod.contains(program.package), "{}", program.package);
            }
        }
    }
}
