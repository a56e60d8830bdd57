import type { ReactiveController, ReactiveControllerHost } from "lit";

const NEAR = 96;

interface Position {
  first: string | undefined;
  thread: string | undefined;
  /** The question asked last while on the screen. */
  question: string | undefined;
  asked: boolean;
  stick: boolean;
}

/** Where the reader is: never moved away from what they read, except by what they did themselves. */
export class Scroll implements ReactiveController {
  #host: ReactiveControllerHost & HTMLElement;
  #scroller: HTMLElement | null = null;
  #listening: AbortController | undefined;
  #resized: ResizeObserver | undefined;
  #seen: IntersectionObserver | undefined;
  #end: Element | null = null;
  #away: (away: boolean) => void;
  #before: Position | undefined;
  /** Stay at the bottom as the text grows. */
  #following = false;
  /** Stay this far from the bottom while earlier messages come in above. */
  #hold: number | null = null;
  #lastTop = 0;

  constructor(host: ReactiveControllerHost & HTMLElement, away: (away: boolean) => void) {
    this.#host = host;
    this.#away = away;
    host.addController(this);
  }

  hostConnected(): void {
    if (this.#before) this.#attach();
  }

  hostDisconnected(): void {
    this.#listening?.abort();
    this.#resized?.disconnect();
    this.#seen?.disconnect();
    this.#scroller = this.#end = null;
  }

  hostUpdate(): void {
    const scroller = this.#scroller;
    if (scroller && this.#hold === null && scroller.scrollTop < NEAR) this.#hold = scroller.scrollHeight - scroller.scrollTop;
  }

  get scrollable(): boolean {
    return !this.#scroller || this.#scroller.scrollHeight > this.#scroller.clientHeight;
  }

  get atTop(): boolean {
    return (this.#scroller?.scrollTop ?? NEAR) < NEAR;
  }

  /** To be called after every rendering. */
  follow(now: Position): void {
    this.#attach();
    const before = this.#before;
    this.#before = now;
    if (now.question && now.asked && now.question !== before?.question) {
      this.#hold = null;
      this.#following = now.stick;
      this.#showQuestion(now, before);
    } else if (!before || (before.thread !== now.thread && !now.asked)) {
      this.#hold = null;
      this.#following = true;
    } else if (before.first === now.first) this.#hold = null;
    this.#settle();
  }

  toLatest(): void {
    this.#following = true;
    this.#end?.scrollIntoView({ block: "end", behavior: this.#behavior() });
  }

  #attach(): void {
    const scroller = this.#host.querySelector<HTMLElement>(".scroller");
    if (scroller && scroller !== this.#scroller) {
      this.#scroller = scroller;
      this.#resized = new ResizeObserver(() => this.#settle());
      this.#resized.observe(scroller);
      this.#resized.observe(scroller.firstElementChild!);
      this.#listening = new AbortController();
      const passive = { passive: true, signal: this.#listening.signal };
      scroller.addEventListener("scroll", () => this.#scrolled(scroller), passive);
      for (const type of ["wheel", "touchmove", "keydown"]) scroller.addEventListener(type, () => (this.#hold = null), passive);
      this.#seen = new IntersectionObserver(([entry]) => this.#away(!entry!.isIntersecting && this.#belowView(entry!)), { root: scroller, rootMargin: "0px 0px 48px" });
    }
    const end = this.#host.querySelector(".end");
    if (end !== this.#end) {
      this.#seen?.disconnect();
      if (end) this.#seen?.observe(end);
      this.#end = end;
    }
  }

  #belowView(entry: IntersectionObserverEntry): boolean {
    return entry.boundingClientRect.top > (entry.rootBounds?.top ?? 0);
  }

  #scrolled({ scrollTop, scrollHeight, clientHeight }: HTMLElement): void {
    if (scrollTop < this.#lastTop - 2) this.#following = false;
    else if (this.#before?.stick && scrollHeight - scrollTop - clientHeight < NEAR) this.#following = true;
    this.#lastTop = scrollTop;
  }

  /** After any change of size, before it is painted. */
  #settle(): void {
    const scroller = this.#scroller;
    if (!scroller) return;
    if (this.#hold !== null) scroller.scrollTop = scroller.scrollHeight - this.#hold;
    else if (this.#following) scroller.scrollTop = scroller.scrollHeight;
    this.#lastTop = scroller.scrollTop;
  }

  /** Brings the new question to the top, where its answer has a screen to itself. */
  #showQuestion(now: Position, before: Position | undefined): void {
    if (now.stick) return;
    const question = this.#host.querySelector(`[data-question="${CSS.escape(now.question!)}"]`);
    question?.scrollIntoView({ block: "start", behavior: before ? this.#behavior() : "instant" });
  }

  #behavior(): ScrollBehavior {
    return matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
  }
}
