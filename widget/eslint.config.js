import lit from "eslint-plugin-lit";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules/**", "eslint.config.js"] },
  ...tseslint.configs.recommendedTypeChecked,
  lit.configs["flat/recommended"],
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["vite.config.ts"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "max-lines": ["error", 500],
      "no-console": ["error", { allow: ["warn"] }],
      "no-eval": "error",
    },
  },
  { files: ["src/**"], rules: { "max-lines-per-function": ["error", 60] } },
);
