// The Chromium that the tests drive: Debian's, or the one that VHOSTLAB_CHROMIUM names.

export const chromium = {
  executablePath: process.env.VHOSTLAB_CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", // a container's root has no user namespaces to build it of
    "--disable-gpu",
    // Nothing here needs a network.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};
