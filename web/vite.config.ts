// One build for every page: hashed files and a manifest, written to where the storefront serves them from.
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/assets/",
  publicDir: false,
  build: {
    outDir: "../src/boxoffice/storefront/assets",
    emptyOutDir: true,
    assetsDir: "",
    manifest: true,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: [
        "storefront/page.ts",
        "storefront/picker.tsx",
        "storefront/checkout.tsx",
        "storefront/order.tsx",
        "operations/page.ts",
        "organizer/page.ts",
        "organizer/progress.ts",
      ],
    },
  },
  test: { environment: "happy-dom", include: ["**/*.test.{ts,tsx}"] },
});
