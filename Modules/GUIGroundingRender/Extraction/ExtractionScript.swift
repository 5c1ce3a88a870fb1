/// What runs on a page to find what can be clicked.
///
/// 1. Candidates: links, buttons, input fields, lists, summaries, the ARIA roles of such, and what
///    has an `onclick`; those in open shadow trees too.
/// 2. Rejected: what is not shown, disabled, cut by the viewport or by an ancestor's overflow, under
///    6 pixels, over a quarter of the viewport, covered (fewer than 4 of 5 probes hit it), without a
///    name or with a long one.
/// 3. The name: ARIA label, label, value, text, `alt`, placeholder, title, `name`, in that order.
/// 4. Every rejected element that is partly in view is told by kind and name: an accepted one of the
///    same kind and name would be ambiguous.
/// 5. A box is told only where its centre hits the element: parts that an ancestor cuts off are
///    none.
enum ExtractionScript {
  /// An expression whose value is a JSON text; see `PageExtract`.
  static let source = #"""
    (() => {
      const W = innerWidth, H = innerHeight;
      const SELECTOR = 'a[href],button,input:not([type=hidden]),select,textarea,summary,'
        + '[role=button],[role=link],[role=tab],[role=menuitem],[role=checkbox],[role=radio],'
        + '[role=switch],[role=option],[onclick]';
      const LANDMARKS = 'nav,header,footer,aside,main,form,dialog,table,[role=navigation],'
        + '[role=banner],[role=contentinfo],[role=complementary],[role=main],[role=search],'
        + '[role=toolbar],[role=dialog],.related,.sphinxsidebar';
      const LANDMARK_NAMES = {
        nav: 'navigation', banner: 'header', contentinfo: 'footer', complementary: 'aside',
      };
      const FIELDS = ['input', 'select', 'textarea'];
      const round = v => Math.round(v * 100) / 100;
      const clean = s => (s || '').replace(/[\u00b6\uf0c1]/g, '').replace(/[\s\u00a0]+/g, ' ').trim();
      const tagOf = e => e.tagName.toLowerCase();
      const parentOf = n => n.parentNode || n.host || null;
      const isInside = (n, e) => { for (; n; n = parentOf(n)) if (n === e) return true; return false; };
      const isPartlySeen = r => r.right > 0 && r.bottom > 0 && r.left < W && r.top < H;
      const top = (x, y) => {
        let e = document.elementFromPoint(x, y);
        while (e && e.shadowRoot) {
          const inner = e.shadowRoot.elementFromPoint(x, y);
          if (!inner || inner === e) break;
          e = inner;
        }
        return e;
      };
      const hits = (x, y, e) => {
        const h = top(x, y);
        if (!h) return false;
        if (isInside(h, e)) return true;
        const label = h.closest('label');
        return !!label && label.control === e;
      };
      const kindOf = e => {
        const role = (e.getAttribute('role') || '').trim().toLowerCase().split(' ')[0];
        const tag = tagOf(e);
        // Roles of parts of books are links all the same; some roles say that there is none.
        const isNone = role === 'presentation' || role === 'none' || role.startsWith('doc-');
        if (role && !isNone) return role;
        if (tag === 'a') return 'link';
        if (tag === 'button' || tag === 'summary') return 'button';
        if (tag === 'select') return 'dropdown';
        if (tag === 'textarea') return 'textbox';
        if (tag !== 'input') return 'element';
        const type = (e.type || 'text').toLowerCase();
        if (['submit', 'button', 'reset', 'image'].includes(type)) return 'button';
        if (type === 'range') return 'slider';
        return ['checkbox', 'radio', 'color', 'file'].includes(type) ? type : 'textbox';
      };
      const nameOf = e => {
        const tag = tagOf(e);
        const root = e.getRootNode();
        const named = (e.getAttribute('aria-labelledby') || '').split(/\s+/).map(id => {
          const other = id && root.getElementById && root.getElementById(id);
          return other ? other.innerText || other.textContent : '';
        }).join(' ');
        const labels = e.labels && e.labels.length ? e.labels[0].innerText : '';
        const button = tag === 'input' && ['submit', 'button', 'reset'].includes(e.type);
        const value = button ? e.value || { submit: 'Submit', reset: 'Reset' }[e.type] || '' : '';
        const picture = e.querySelector('img[alt],svg title');
        const ways = [
          ['labelledby', named], ['aria-label', e.getAttribute('aria-label')], ['label', labels],
          ['text', value], ['text', FIELDS.includes(tag) ? '' : e.innerText],
          ['alt', picture ? picture.getAttribute('alt') || picture.textContent : ''],
          ['alt', e.getAttribute('alt')], ['placeholder', e.getAttribute('placeholder')],
          ['title', e.getAttribute('title')], ['name', e.getAttribute('name')],
        ];
        for (const [source, text] of ways) { const n = clean(text); if (n) return [n, source]; }
        return ['', 'none'];
      };
      const regionOf = e => {
        const r = e.closest(LANDMARKS);
        if (!r) return '';
        const name = (r.getAttribute('role') || tagOf(r)).toLowerCase();
        return LANDMARK_NAMES[name] || name;
      };
      const opacityOf = e => {
        let opacity = 1;
        for (let n = e; n && n.nodeType === 1; n = parentOf(n) && (parentOf(n).host || parentOf(n))) {
          opacity *= +getComputedStyle(n).opacity;
        }
        return opacity;
      };
      const clipOf = e => {
        let [left, top, right, bottom] = [0, 0, W, H];
        let position = getComputedStyle(e).position;
        for (let n = parentOf(e); n && n !== document.body; n = parentOf(n)) {
          if (position === 'fixed') break;
          if (n.nodeType !== 1 || n === document.documentElement) continue;
          const s = getComputedStyle(n);
          const isPlaced = s.position !== 'static' || s.transform !== 'none';
          if (position === 'absolute' && !isPlaced) continue;
          position = s.position;
          if (s.overflowX === 'visible' && s.overflowY === 'visible') continue;
          if (s.display === 'inline' || s.display === 'contents') continue;
          const r = n.getBoundingClientRect();
          const [x, y] = [r.left + n.clientLeft, r.top + n.clientTop];
          [left, top] = [Math.max(left, x), Math.max(top, y)];
          right = Math.min(right, x + n.clientWidth);
          bottom = Math.min(bottom, y + n.clientHeight);
        }
        return [left, top, right, bottom];
      };
      const isDrawn = e => {
        if (tagOf(e) === 'input') return true;
        const walker = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
        for (let n = walker.nextNode(), i = 0; n && i < 100; n = walker.nextNode(), i++) {
          if (!clean(n.data)) continue;
          const range = document.createRange();
          range.selectNodeContents(n);
          for (const r of range.getClientRects()) {
            if (r.width < 2 || r.height < 2) continue;
            const h = top((r.left + r.right) / 2, (r.top + r.bottom) / 2);
            if (h && isInside(h, n.parentElement)) return true;
          }
        }
        return false;
      };
      const boxesOf = (e, main) => {
        const all = [main];
        for (const n of [e, ...[...e.querySelectorAll('*')].slice(0, 200)]) {
          const rects = [...n.getClientRects()].filter(r => r.width >= 2 && isPartlySeen(r));
          const clip = rects.length ? clipOf(n) : [];
          for (const r of rects) {
            const box = [Math.max(clip[0], r.left), Math.max(clip[1], r.top),
              Math.min(clip[2], r.right), Math.min(clip[3], r.bottom)].map(round);
            if (box[2] - box[0] < 2 || box[3] - box[1] < 2) continue;
            if (hits((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, e)) all.push(box);
          }
        }
        const covers = (a, b) => a[0] <= b[0] && a[1] <= b[1] && a[2] >= b[2] && a[3] >= b[3];
        return all.filter((b, i) => !all.some((a, j) =>
          j !== i && covers(a, b) && (j < i || !covers(b, a)))).slice(0, 12);
      };
      const roots = [document];
      for (let i = 0; i < roots.length && i < 200; i++) {
        for (const e of roots[i].querySelectorAll('*')) if (e.shadowRoot) roots.push(e.shadowRoot);
      }
      const elements = [], skipped = {}, others = [];
      const skip = (reason, e) => {
        skipped[reason] = (skipped[reason] || 0) + 1;
        if (e) { const [n] = nameOf(e); if (n) others.push([kindOf(e), n]); }
      };
      const examine = e => {
        const outer = e.getBoundingClientRect();
        if (!isPartlySeen(outer)) return skip('outside');
        const style = getComputedStyle(e);
        if (style.visibility !== 'visible' || style.display === 'none' || opacityOf(e) < 0.1) {
          return skip('hidden');
        }
        if (e.matches(':disabled') || e.closest('[inert]')
          || e.getAttribute('aria-disabled') === 'true') return skip('disabled', e);
        if (style.pointerEvents === 'none') return skip('inactive', e);
        const rects = [...e.getClientRects()].filter(r => r.width >= 1 && r.height >= 1);
        if (!rects.length) return skip('empty');
        rects.sort((a, b) => b.width * b.height - a.width * a.height);
        const r = rects[0];
        if (r.left < 0 || r.top < 0 || r.right > W || r.bottom > H) return skip('cut', e);
        const clip = clipOf(e);
        if (r.left < clip[0] - 1 || r.top < clip[1] - 1 || r.right > clip[2] + 1
          || r.bottom > clip[3] + 1) return skip('cut', e);
        if (r.width < 6 || r.height < 6) return skip('tiny', e);
        if (r.width * r.height > 0.25 * W * H) return skip('huge', e);
        let count = 0;
        for (const [x, y] of [[.5, .5], [.15, .5], [.85, .5], [.5, .2], [.5, .8]]) {
          if (hits(r.left + x * r.width, r.top + y * r.height, e)) count++;
        }
        if (count < 4) return skip('covered', e);
        const kind = kindOf(e);
        if (kind === 'element' && e.querySelector(SELECTOR)) return skip('container', e);
        const [name, source] = nameOf(e);
        if (!name) return skip('unnamed');
        if (name.length > 80) return skip('long', e);
        const bbox = [r.left, r.top, r.right, r.bottom].map(round);
        const isText = source === 'text' || clean(e.innerText) === name;
        elements.push({
          kind, name, source, bbox, boxes: boxesOf(e, bbox), region: regionOf(e),
          drawn: isText && isDrawn(e),
        });
      };
      for (const root of roots) for (const e of root.querySelectorAll(SELECTOR)) examine(e);
      let frames = 0;
      for (const frame of document.querySelectorAll('iframe,frame,object,embed')) {
        const r = frame.getBoundingClientRect();
        if (!isPartlySeen(r) || r.width < 6 || r.height < 6) continue;
        frames++;
        try {
          const inner = frame.contentDocument;
          for (const e of inner ? inner.querySelectorAll(SELECTOR) : []) {
            const [n] = nameOf(e);
            if (n) others.push([kindOf(e), n]);
          }
        } catch (_) {}
      }
      return JSON.stringify({
        width: W, height: H, scrollY: Math.round(scrollY), title: clean(document.title),
        path: location.pathname, frames, skipped, others, elements,
      });
    })()
    """#

  /// An expression whose value is the height of the page in CSS pixels.
  static let pageHeight = """
    Math.max(...[document.documentElement, document.body].map(e => e ? e.scrollHeight : 0))
    """
}
