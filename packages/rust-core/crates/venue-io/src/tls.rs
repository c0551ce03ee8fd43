//! What this side trusts when it speaks TLS.

use crate::limits::CA_FILE_BYTES_MAX;
use crate::net::bounded;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The certificate authorities of a session. Cheap to clone: one per process is enough.
#[derive(Debug, Clone)]
pub struct Trust(pub(crate) Arc<ClientConfig>);

impl Trust {
    /// The authorities browsers trust, built into the binary; no file of the host is read.
    ///
    /// # Errors
    /// The TLS library was built without a cipher it needs; this build has them.
    pub fn public() -> Result<Self, String> {
        static PUBLIC: OnceLock<Result<Trust, String>> = OnceLock::new();
        PUBLIC.get_or_init(|| config(public_roots())).clone()
    }

    /// The public authorities and those of a PEM file, for a venue behind an own authority or a simulator.
    ///
    /// # Errors
    /// The file cannot be read, is larger than `CA_FILE_BYTES_MAX`, or holds no certificate.
    pub fn with_ca_file(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let mut pem = Vec::new();
        let file = std::fs::File::open(path).map_err(|e| format!("CA file {shown}: {e}"))?;
        file.take(CA_FILE_BYTES_MAX + 1)
            .read_to_end(&mut pem)
            .map_err(|e| format!("CA file {shown}: {e}"))?;
        if pem.len() as u64 > CA_FILE_BYTES_MAX {
            return Err(format!("CA file {shown}: more than {CA_FILE_BYTES_MAX} bytes"));
        }
        Self::with_ca_pem(&pem).map_err(|e| format!("CA file {shown}: {e}"))
    }

    /// As [`Trust::with_ca_file`], from the text itself.
    ///
    /// # Errors
    /// No certificate in it, or one that is none.
    pub fn with_ca_pem(pem: &[u8]) -> Result<Self, String> {
        let mut roots = public_roots();
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| bounded(&format!("not PEM: {e}")))?;
            roots.add(certificate).map_err(|e| bounded(&format!("not a certificate authority: {e}")))?;
        }
        if roots.len() == before {
            return Err("holds no certificate; want PEM with BEGIN CERTIFICATE".into());
        }
        config(roots)
    }
}

fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

fn config(roots: RootCertStore) -> Result<Trust, String> {
    // The provider is named here, so that no other crate of the process can change it.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bounded(&format!("TLS: {e}")))?;
    Ok(Trust(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}
