//! The kernel's end of a TAP port: its addresses, and the link up (rtnetlink).

use std::net::IpAddr;

use anyhow::{Context, Result};
use rtnetlink::{LinkUnspec, new_connection};

/// Gives `link` its addresses and sets it up. Addresses that it has already are left alone.
pub(crate) async fn set_up(link: &str, addresses: &[(IpAddr, u8)]) -> Result<()> {
    let (connection, handle, _) = new_connection().context("no netlink socket")?;
    let connection = tokio::spawn(connection);
    let index = index_of(&handle, link).await?;
    handle
        .link()
        .set(LinkUnspec::new_with_index(index).up().build())
        .execute()
        .await
        .with_context(|| format!("cannot set {link} up"))?;
    for (address, length) in addresses {
        let added = handle
            .address()
            .add(index, *address, *length)
            .replace()
            .execute()
            .await;
        added.with_context(|| format!("cannot give {link} the address {address}/{length}"))?;
    }
    connection.abort();
    Ok(())
}

async fn index_of(handle: &rtnetlink::Handle, link: &str) -> Result<u32> {
    use futures_util::TryStreamExt as _;
    let mut links = handle.link().get().match_name(link.to_owned()).execute();
    let found = links
        .try_next()
        .await
        .with_context(|| format!("there is no link {link}"))?;
    Ok(found
        .with_context(|| format!("there is no link {link}"))?
        .header
        .index)
}
