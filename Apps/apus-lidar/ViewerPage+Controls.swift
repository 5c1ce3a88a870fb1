extension ViewerPage {
  /// The part of the program that listens: legend, pointers and keys.
  static let controlScript = #"""

      // ---- the panel
      const number = (value) => value.toLocaleString("en");
      const element = (tag, text, parent) => {
        const item = document.createElement(tag);
        if (text !== undefined) item.textContent = text;
        if (parent) parent.append(item);
        return item;
      };
      const classRow = (item, parent) => {
        const row = element("label", undefined, parent);
        const box = element("input", undefined, row);
        box.type = "checkbox";
        box.checked = !hidden.has(item.number);
        box.addEventListener("change", () => {
          if (box.checked) hidden.delete(item.number); else hidden.add(item.number);
          paint();
          redraw();
        });
        const color = classColor(item.color).map(Math.round);
        element("i", undefined, row).style.background = `rgb(${color})`;
        element("span", item.name, row);
        element("small", number(item.points), row);
      };
      const legend = () => {
        const box = get("legend");
        box.replaceChildren();
        if (layer.classes) {
          for (const item of layer.classes) classRow(item, box);
          const buttons = element("p", undefined, box);
          const all = element("button", "all", buttons), none = element("button", "none", buttons);
          all.addEventListener("click", () => { hidden.clear(); show(); });
          none.addEventListener("click", () => {
            for (const item of layer.classes) hidden.add(item.number);
            show();
          });
          return;
        }
        const bar = element("div", undefined, box);
        bar.id = "bar";
        const stops = ramp.map((color) => `rgb(${color})`);
        bar.style.background = `linear-gradient(to right, ${stops})`;
        const ends = element("div", undefined, box);
        ends.id = "ends";
        for (const value of layer.range) {
          element("small", `${Number(value.toPrecision(3))} ${layer.unit}`, ends);
        }
      };
      const show = () => { legend(); paint(); redraw(); };
      const setTheme = (dark) => {
        isDark = dark;
        root.dataset.theme = dark ? "dark" : "light";
        show();
      };
      const view = (changes) => {
        camera = { ...home, target: [...home.target], ...changes };
        redraw();
      };
      const fromAbove = () => view({ yaw: Math.PI / 2, pitch: -1.57, distance: 1.5 * home.distance });

      get("title").textContent = cloud.title;
      get("facts").textContent = number(count)
        + (cloud.total > count ? ` of ${number(cloud.total)}` : "") + " points";
      for (const item of cloud.layers) element("option", item.name, get("layer"));
      get("layer").addEventListener("change", () => {
        layer = cloud.layers[get("layer").selectedIndex];
        show();
      });
      get("size").addEventListener("input", redraw);
      get("reset").addEventListener("click", () => view({}));
      get("top").addEventListener("click", fromAbove);
      get("theme").addEventListener("click", () => setTheme(!isDark));

      // ---- pointers: one turns, or moves with shift or another button; two move and zoom
      const pointers = new Map();
      const middle = () => {
        const all = [...pointers.values()];
        const [x, y] = [0, 1].map((k) => all.reduce((sum, p) => sum + p[k], 0) / all.length);
        return { x, y, spread: all.length > 1 ? Math.hypot(all[0][0] - all[1][0],
          all[0][1] - all[1][1]) : 0 };
      };
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, [event.clientX, event.clientY]);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (!pointers.has(event.pointerId)) return;
        const before = middle();
        pointers.set(event.pointerId, [event.clientX, event.clientY]);
        const after = middle();
        const half = canvas.clientHeight / 2;
        const [dx, dy] = [(after.x - before.x) / half, (after.y - before.y) / half];
        if (pointers.size > 1) {
          move(dx, dy);
          if (before.spread > 0 && after.spread > 0) zoom(before.spread / after.spread);
        } else if (event.shiftKey || event.buttons & 6) {
          move(dx, dy);
        } else {
          turn(1.5 * dx, 1.5 * dy);
        }
      });
      for (const name of ["pointerup", "pointercancel"]) {
        canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
      }
      canvas.addEventListener("contextmenu", (event) => event.preventDefault());
      canvas.addEventListener("wheel", (event) => {
        event.preventDefault();
        zoom(Math.exp(Math.min(Math.max(event.deltaY, -100), 100) / 400));
      }, { passive: false });

      // ---- keys
      const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const keys = {
        "+": () => zoom(0.85), "=": () => zoom(0.85), "-": () => zoom(1 / 0.85),
        0: () => view({}), 5: fromAbove, t: () => setTheme(!isDark),
      };
      addEventListener("keydown", (event) => {
        if (event.target.closest("input, select, button") || event.ctrlKey || event.metaKey) return;
        const arrow = arrows[event.key];
        if (arrow) (event.shiftKey ? move : turn)(0.08 * arrow[0], 0.08 * arrow[1]);
        else if (keys[event.key]) keys[event.key]();
        else return;
        event.preventDefault();
      });

      // ---- go
      renderer = (location.hash === "#canvas" ? null : webGL()) || canvas2D();
      if (!renderer) return fail("this browser can draw neither with WebGL nor with canvas");
      canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
      canvas.addEventListener("webglcontextrestored", () => {
        renderer = webGL();
        colorsChanged = true;
        redraw();
      });
      new ResizeObserver(redraw).observe(canvas);
      setTheme(isDark);
      measure();
      root.dataset.renderer = renderer.name;
      root.dataset.state = "ready";
    })();
    """#
}
