// The one place that knows the framework: a tag for templates, and hooks.
import { h, render, Fragment } from "preact";
import { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useId } from "preact/hooks";
import htm from "htm";

const html = htm.bind(h);

export { html, render, Fragment, useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useId };
