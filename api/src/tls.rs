//! TLS by rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What HTTPS is served with, as PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those between it and a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Certificate, key or name are of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file has not what is wanted.
    #[error("{file}: {error}")]
    Pem {
        /// The file.
        file: String,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// A file without a certificate.
    #[error("{file}: no certificate in it")]
    Empty {
        /// The file.
        file: String,
    },
    /// What is in the files does not fit.
    #[error("{file}: {error}")]
    Rustls {
        /// The file.
        file: String,
        /// Why.
        error: rustls::Error,
    },
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = || path.display().to_string();
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| TlsError::Pem {
        file: file(),
        error,
    })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { file: file() });
    }
    Ok(certificates)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What HTTPS is served with, read.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// When they are not there, have something else in them, or do not fit together.
    pub fn read(&self) -> Result<Tls, TlsError> {
        let certificates = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|error| TlsError::Pem {
            file: self.key.display().to_string(),
            error,
        })?;
        let unfit = |error| TlsError::Rustls {
            file: self.certificate.display().to_string(),
            error,
        };
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(unfit)?;
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

/// What trusts the certificates of a PEM file, and nothing else.
pub(crate) fn connector(roots: &Path) -> Result<TlsConnector, TlsError> {
    let unfit = |error| TlsError::Rustls {
        file: roots.display().to_string(),
        error,
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates(roots)? {
        store.add(certificate).map_err(unfit)?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that a server's certificate has to have.
pub(crate) fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}
