//! nginx(8) as a process of a test's own, to compare with.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::eventually;

const PATHS: [&str; 3] = [
    "/usr/sbin/nginx",
    "/usr/local/sbin/nginx",
    "/usr/local/nginx/sbin/nginx",
];

/// A running nginx; it ends with this value.
pub struct Nginx {
    child: Child,
    pub address: SocketAddr,
}

impl Nginx {
    /// Starts it with these `server` directives on a port of 127.0.0.1; its files go into a directory. The error says why
    /// that cannot be.
    pub fn start(directory: &Path, directives: &str) -> Result<Nginx, String> {
        let binary = PATHS.iter().find(|path| Path::new(path).exists());
        let binary = binary.ok_or("nginx is not installed")?;
        let mut last = String::new();
        // Another process may take the port before nginx does.
        for _ in 0..3 {
            match Nginx::try_start(binary, directory, directives) {
                Ok(nginx) => return Ok(nginx),
                Err(error) => last = error,
            }
        }
        Err(format!("nginx does not start: {last}"))
    }

    fn try_start(binary: &str, directory: &Path, directives: &str) -> Result<Nginx, String> {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = address.map_err(|error| error.to_string())?;
        let config = directory.join("nginx.conf");
        fs::write(&config, configuration(directory, address, directives)).map_err(|error| error.to_string())?;
        let child = Command::new(binary)
            .args(["-e", "stderr", "-p"])
            .arg(directory)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let child = child.map_err(|error| error.to_string())?;
        let mut nginx = Nginx { child, address };
        let mut ended = false;
        let listens = eventually(|| {
            ended = !matches!(nginx.child.try_wait(), Ok(None));
            ended || TcpStream::connect(address).is_ok()
        });
        if listens && !ended {
            return Ok(nginx);
        }
        Err(nginx.end())
    }

    /// Ends it, and returns what it had to say.
    fn end(&mut self) -> String {
        let _ = self.child.kill(); // It may have ended by itself.
        let _ = self.child.wait();
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut said); // What came before an error is all there is.
        }
        said
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
    }
}

/// One process, which stays in the foreground and writes nothing outside the directory.
fn configuration(directory: &Path, address: SocketAddr, directives: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {}/{name};\n", directory.display()))
        .collect();
    format!(
        "daemon off; master_process off; pid {}/nginx.pid; error_log stderr crit;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off;\n{temporary}server {{ listen {address};\n{directives}\n}} }}\n",
        directory.display()
    )
}
