const SCHEMES = new Set(["http", "https", "mailto", "tel", "chatkit-link"]);

/** The address when a link may lead there, else null: no scripts, no data, nothing hidden. */
export function safeHref(href: string): string | null {
  // Browsers drop control characters inside a scheme, so they must not hide one from the check.
  const plain = href.replace(/[\u0000-\u0020\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\ufeff]/g, "");
  if (!plain) return null;
  const scheme = /^([^/?#:]*):/.exec(plain)?.[1];
  return scheme === undefined || SCHEMES.has(scheme.toLowerCase()) ? href.trim() : null;
}

/** True when the thread allows images from this address: exactly that host, or a subdomain of it. */
export function imageAllowed(href: string, domains: readonly string[] | undefined): boolean {
  if (!domains?.length || !URL.canParse(href)) return false;
  const { protocol, hostname } = new URL(href);
  if (protocol !== "https:" && protocol !== "http:") return false;
  return domains.some((domain) => {
    const host = domain.toLowerCase().replace(/^\*\./, "");
    return host !== "" && (hostname === host || hostname.endsWith(`.${host}`));
  });
}
