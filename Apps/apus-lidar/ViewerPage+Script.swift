extension ViewerPage {
  /// The program of the page.
  static let script = #"""
    "use strict";
    (() => {
      const root = document.documentElement;
      const get = (id) => document.getElementById(id);
      const fail = (reason) => {
        root.dataset.state = "failed";
        get("error").hidden = false;
        get("error").textContent = "The points cannot be shown: " + reason;
      };
      addEventListener("error", (event) => fail(event.message));

      // ---- the cloud
      const cloud = JSON.parse(get("cloud").textContent);
      get("cloud").remove();
      const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const count = cloud.count;
      const steps = new DataView(bytes(cloud.positions).buffer);
      const positions = new Float32Array(3 * count);
      for (let i = 0; i < positions.length; i++) {
        positions[i] = steps.getInt16(2 * i, true) * cloud.scale;
      }
      const heights = ([low, high]) => Uint8Array.from({ length: count }, (_, i) => {
        const z = positions[3 * i + 2] + cloud.center[2];
        return 255 * Math.min(Math.max((z - low) / (high - low), 0), 1);
      });
      for (const layer of cloud.layers) {
        layer.data = layer.data ? bytes(layer.data) : heights(layer.range);
      }

      // ---- colors: four bytes a point, the last 0 for hidden points
      const colors = new Uint8Array(4 * count);
      const hidden = new Set();
      let layer = cloud.layers[0];
      let isDark = matchMedia("(prefers-color-scheme: dark)").matches;
      const ramp = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
      const rampColor = (value) => {
        const place = (value / 255) * (ramp.length - 1);
        const low = Math.min(Math.floor(place), ramp.length - 2);
        return ramp[low].map((c, k) => c + (place - low) * (ramp[low + 1][k] - c));
      };
      const classColor = (hex) => {
        const color = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
        const light = 0.3 * color[0] + 0.6 * color[1] + 0.1 * color[2];
        // Colors that the background would swallow are moved away from it.
        if (isDark && light < 60) return color.map((c) => c + 0.35 * (255 - c));
        if (!isDark && light > 200) return color.map((c) => 0.75 * c);
        return color;
      };
      const palette = () => {
        const table = Array.from({ length: 256 }, (_, value) => rampColor(value));
        for (const item of layer.classes || []) table[item.number] = classColor(item.color);
        return table;
      };
      const paint = () => {
        const table = palette();
        let shown = 0;
        for (let i = 0; i < count; i++) {
          const value = layer.data[i];
          const isShown = !(layer.classes && hidden.has(value));
          colors.set(table[value], 4 * i);
          colors[4 * i + 3] = isShown ? 255 : 0;
          shown += isShown;
        }
        root.dataset.points = shown;
        colorsChanged = true;
      };
      let colorsChanged = true;

      // ---- the camera looks from a distance at a target; z is up
      const start = () => ({
        yaw: 0.6, pitch: -0.5, distance: 45,
        target: cloud.center.map((c) => -c),
      });
      let camera = start();
      const extent = 32767 * cloud.scale;
      if (camera.target.some((c) => Math.abs(c) > extent)) camera.target = [0, 0, 0];
      const home = { ...camera, distance: Math.min(45, 1.5 * extent) };
      camera = { ...home, target: [...home.target] };
      const axes = () => {
        const [cy, sy] = [Math.cos(camera.yaw), Math.sin(camera.yaw)];
        const [cp, sp] = [Math.cos(camera.pitch), Math.sin(camera.pitch)];
        return { right: [sy, -cy, 0], up: [-sp * cy, -sp * sy, cp], ahead: [cp * cy, cp * sy, sp] };
      };
      const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
      // The projection, row after row.
      const projection = (aspect) => {
        const { right, up, ahead } = axes();
        const eye = camera.target.map((c, k) => c - camera.distance * ahead[k]);
        const row = (v, f) => [f * v[0], f * v[1], f * v[2], -f * dot(v, eye)];
        const zoom = 1.6;
        const [near, far] = [camera.distance / 100, camera.distance * 10 + 4 * extent];
        const depth = row(ahead, (far + near) / (far - near));
        depth[3] -= (2 * far * near) / (far - near);
        return [row(right, zoom / aspect), row(up, zoom), depth, row(ahead, 1)];
      };
      const turn = (dx, dy) => {
        camera.yaw -= dx;
        camera.pitch = Math.min(Math.max(camera.pitch - dy, -1.57), 1.57);
        redraw();
      };
      const move = (dx, dy) => {
        const { right, up } = axes();
        const step = camera.distance / 1.6;
        camera.target = camera.target.map((c, k) => c - step * (dx * right[k] - dy * up[k]));
        redraw();
      };
      const zoom = (factor) => {
        camera.distance = Math.min(Math.max(camera.distance * factor, 0.5), 20 * extent);
        redraw();
      };

      // ---- drawing
      const canvas = get("view");
      const background = () => (isDark ? [17, 20, 24] : [250, 250, 250]);
      const pointSize = () => Number(get("size").value) * (devicePixelRatio || 1);

      const webGL = () => {
        const gl = canvas.getContext("webgl", { antialias: false });
        if (!gl) return null;
        const shader = (kind, text) => {
          const part = gl.createShader(kind);
          gl.shaderSource(part, text);
          gl.compileShader(part);
          return part;
        };
        const program = gl.createProgram();
        gl.attachShader(program, shader(gl.VERTEX_SHADER, `
          attribute vec3 position;
          attribute vec4 color;
          uniform mat4 matrix;
          uniform vec2 size;
          varying vec3 shade;
          void main() {
            gl_Position = color.a > 0.5 ? matrix * vec4(position, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
            gl_PointSize = clamp(size.x * size.y / max(gl_Position.w, 0.01), 1.0, 4.0 * size.x);
            shade = color.rgb;
          }`));
        gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `
          precision mediump float;
          varying vec3 shade;
          void main() { gl_FragColor = vec4(shade, 1.0); }`));
        gl.linkProgram(program);
        if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
        gl.useProgram(program);
        const attribute = (name, size, type, isNormalized) => {
          const place = gl.getAttribLocation(program, name);
          const buffer = gl.createBuffer();
          gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
          gl.enableVertexAttribArray(place);
          gl.vertexAttribPointer(place, size, type, isNormalized, 0, 0);
          return buffer;
        };
        attribute("position", 3, gl.FLOAT, false);
        gl.bufferData(gl.ARRAY_BUFFER, positions, gl.STATIC_DRAW);
        attribute("color", 4, gl.UNSIGNED_BYTE, true);
        const matrix = gl.getUniformLocation(program, "matrix");
        const size = gl.getUniformLocation(program, "size");
        gl.enable(gl.DEPTH_TEST);
        return {
          name: "webgl",
          draw: (width, height) => {
            if (colorsChanged) gl.bufferData(gl.ARRAY_BUFFER, colors, gl.DYNAMIC_DRAW);
            const rows = projection(width / height);
            const columns = [0, 1, 2, 3].flatMap((k) => rows.map((row) => row[k]));
            gl.viewport(0, 0, width, height);
            gl.clearColor(...background().map((c) => c / 255), 1);
            gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
            gl.uniformMatrix4fv(matrix, false, columns);
            gl.uniform2f(size, pointSize(), camera.distance);
            gl.drawArrays(gl.POINTS, 0, count);
          },
          pixels: (width, height) => {
            const data = new Uint8Array(4 * width * height);
            gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
            return data;
          },
        };
      };

      const canvas2D = () => {
        const context = canvas.getContext("2d");
        if (!context) return null;
        return {
          name: "canvas",
          draw: (width, height) => {
            const image = context.createImageData(width, height);
            const pixels = new Uint32Array(image.data.buffer);
            const shades = new Uint32Array(colors.buffer);
            const [r, g, b] = background();
            pixels.fill(((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
            const depths = new Float32Array(width * height).fill(Infinity);
            const [px, py, , pw] = projection(width / height);
            for (let i = 0; i < count; i++) {
              if (!colors[4 * i + 3]) continue;
              const [x, y, z] = [positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]];
              const w = pw[0] * x + pw[1] * y + pw[2] * z + pw[3];
              if (w < 0.1) continue;
              const size = pointSize() * Math.min(Math.max(camera.distance / w, 0.5), 4);
              const side = Math.max(Math.round(size), 1);
              const u = ((px[0] * x + px[1] * y + px[2] * z + px[3]) / w + 1) * width / 2;
              const v = (1 - (py[0] * x + py[1] * y + py[2] * z + py[3]) / w) * height / 2;
              const left = Math.round(u - side / 2), top = Math.round(v - side / 2);
              for (let row = Math.max(top, 0); row < Math.min(top + side, height); row++) {
                for (let column = Math.max(left, 0); column < Math.min(left + side, width); column++) {
                  const place = row * width + column;
                  if (w < depths[place]) {
                    depths[place] = w;
                    pixels[place] = shades[i];
                  }
                }
              }
            }
            context.putImageData(image, 0, 0);
          },
          pixels: (width, height) => context.getImageData(0, 0, width, height).data,
        };
      };

      let renderer = null;
      const draw = () => {
        const ratio = devicePixelRatio || 1;
        const width = Math.max(Math.round(canvas.clientWidth * ratio), 1);
        const height = Math.max(Math.round(canvas.clientHeight * ratio), 1);
        if (canvas.width !== width || canvas.height !== height) {
          [canvas.width, canvas.height] = [width, height];
        }
        renderer.draw(width, height);
        colorsChanged = false;
        return [width, height];
      };
      let isWaiting = false;
      const redraw = () => {
        if (isWaiting || !renderer) return;
        isWaiting = true;
        requestAnimationFrame(() => { isWaiting = false; draw(); });
      };
      const measure = () => {
        const [width, height] = draw();
        const [pixels, empty] = [renderer.pixels(width, height), background()];
        let filled = 0;
        for (let i = 0; i < pixels.length; i += 4) {
          filled += empty.some((c, k) => Math.abs(c - pixels[i + k]) > 1);
        }
        root.dataset.filled = (filled / (width * height)).toFixed(4);
      };
    """# + controlScript
}
