import { css } from "lit";

/** `!important` where the page's own rules could reach the host element. */
export const launcherStyles = css`
  :host {
    all: initial !important;
    position: fixed !important;
    inset: auto !important;
    z-index: 2147483000 !important;
    --ink: #fff;
    --face: #17181c;
    --panel: #fff;
    --line: rgb(15 18 28 / 0.08);
    --shade: 15 18 28;
    --gap: 20px;
    font: 500 14px/1.3 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important;
    color-scheme: light !important;
  }
  :host([data-theme="dark"]) {
    --ink: #17181c;
    --face: #f4f4f6;
    --panel: #1b1c20;
    --line: rgb(255 255 255 / 0.1);
    --shade: 0 0 0;
    color-scheme: dark !important;
  }
  *,
  ::before,
  ::after {
    box-sizing: border-box;
  }
  button {
    margin: 0;
    padding: 0;
    border: 0;
    font: inherit;
    color: var(--ink);
    background: var(--face);
    cursor: pointer;
    -webkit-tap-highlight-color: transparent;
    touch-action: manipulation;
  }
  button:focus-visible {
    outline: 3px solid #4c8dff;
    outline-offset: 3px;
  }
  svg {
    fill: none;
    stroke: currentColor;
    stroke-width: 1.75;
    stroke-linecap: round;
    stroke-linejoin: round;
  }

  .launch {
    position: fixed;
    right: calc(var(--gap) + env(safe-area-inset-right));
    bottom: calc(var(--gap) + env(safe-area-inset-bottom));
    display: grid;
    place-items: center;
    width: 56px;
    height: 56px;
    border-radius: 50%;
    box-shadow:
      0 1px 2px rgb(var(--shade) / 0.18),
      0 6px 12px -2px rgb(var(--shade) / 0.16),
      0 14px 32px -6px rgb(var(--shade) / 0.26);
    transition:
      transform 0.2s cubic-bezier(0.2, 0.8, 0.2, 1),
      box-shadow 0.2s;
  }
  .launch svg {
    grid-area: 1 / 1;
    width: 26px;
    height: 26px;
    transition:
      opacity 0.18s,
      transform 0.24s cubic-bezier(0.2, 0.8, 0.2, 1);
  }
  .cross,
  :host([open]) .bubble {
    opacity: 0;
    transform: scale(0.5) rotate(-30deg);
  }
  :host([open]) .cross {
    opacity: 1;
    transform: none;
  }
  .launch:active {
    transform: scale(0.94);
  }
  @media (hover: hover) {
    .launch:hover {
      transform: scale(1.05);
    }
    .launch:active {
      transform: scale(0.96);
    }
  }

  .panel {
    position: fixed;
    right: calc(var(--gap) + env(safe-area-inset-right));
    bottom: calc(var(--gap) + 72px + env(safe-area-inset-bottom));
    width: min(400px, calc(100vw - 2 * var(--gap)));
    height: min(640px, calc(100dvh - 112px - env(safe-area-inset-top) - env(safe-area-inset-bottom)));
    overflow: hidden;
    overscroll-behavior: contain;
    border-radius: 16px;
    background: var(--panel);
    box-shadow:
      0 0 0 1px var(--line),
      0 2px 4px rgb(var(--shade) / 0.05),
      0 12px 24px -8px rgb(var(--shade) / 0.14),
      0 32px 64px -16px rgb(var(--shade) / 0.28);
    transform-origin: calc(100% - 28px) 100%;
    visibility: hidden;
    opacity: 0;
    transform: translateY(10px) scale(0.96);
    transition:
      opacity 0.16s ease-in,
      transform 0.16s ease-in,
      visibility 0s 0.16s;
  }
  :host([open]) .panel {
    visibility: visible;
    opacity: 1;
    transform: none;
    transition:
      opacity 0.18s ease-out,
      transform 0.28s cubic-bezier(0.2, 0.9, 0.2, 1);
  }
  .panel > * {
    display: block;
    width: 100%;
    height: 100%;
  }
  :host([data-position="left"]) .launch,
  :host([data-position="left"]) .panel {
    right: auto;
    left: calc(var(--gap) + env(safe-area-inset-left));
  }
  :host([data-position="left"]) .panel {
    transform-origin: 28px 100%;
  }

  .ask {
    position: fixed;
    display: inline-flex;
    align-items: center;
    gap: 6px;
    min-height: 36px;
    padding: 0 14px 0 11px;
    border-radius: 18px;
    white-space: nowrap;
    user-select: none;
    -webkit-user-select: none;
    box-shadow:
      0 1px 2px rgb(var(--shade) / 0.2),
      0 6px 18px -4px rgb(var(--shade) / 0.34);
    animation: appear 0.16s ease-out;
  }
  .ask svg {
    width: 16px;
    height: 16px;
    fill: currentColor;
    stroke: none;
  }
  .ask[hidden] {
    display: none;
  }
  @keyframes appear {
    from {
      opacity: 0;
      transform: translateY(4px) scale(0.96);
    }
  }

  @media (max-width: 480px) {
    .panel,
    :host([data-position="left"]) .panel {
      inset: 0;
      width: 100vw;
      height: 100vh;
      height: 100dvh;
      padding: env(safe-area-inset-top) env(safe-area-inset-right) env(safe-area-inset-bottom)
        env(safe-area-inset-left);
      border-radius: 0;
      box-shadow: none;
      transform: translateY(24px);
    }
    :host([open]) .launch {
      visibility: hidden;
    }
    .launch {
      --gap: 16px;
    }
  }
  @media (pointer: coarse) {
    .ask {
      min-height: 44px;
      border-radius: 22px;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    ::before,
    ::after {
      animation: none !important;
      transition: none !important;
    }
  }
  @media (forced-colors: active) {
    .launch,
    .ask,
    .panel {
      border: 1px solid ButtonText;
    }
  }
  @media print {
    :host {
      display: none !important;
    }
  }
`;
