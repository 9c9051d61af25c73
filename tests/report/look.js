// SPDX-License-Identifier: Apache-2.0
// What the browser made of the page: evaluated by check_page.py, never part of the page.
(() => {
  const wide = document.documentElement.clientWidth;
  const result = {
    scroll: document.documentElement.scrollWidth, wide, outside: [], faint: [], small: [],
    texts: 0, scripts: document.scripts.length,
  };
  const name = element => {
    const own = element.tagName.toLowerCase() + (element.id ? '#' + element.id : '') +
      (element.getAttribute('class') ? '.' + element.getAttribute('class') : '');
    return own + ' "' + element.textContent.trim().slice(0, 40) + '"';
  };
  const channels = text => {
    const numbers = text.match(/[\d.]+/g).map(Number);
    return { rgb: numbers.slice(0, 3), alpha: numbers.length > 3 ? numbers[3] : 1 };
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(value => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const box = at.matches('svg.node') ? getComputedStyle(at.querySelector('rect')).fill
                                         : getComputedStyle(at).backgroundColor;
      const colour = channels(box);
      if (colour.alpha === 1) return colour.rgb;
    }
    return [255, 255, 255];
  };
  const clipped = element => {
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.clipPath !== 'none' || style.overflowX !== 'visible') return true;
    }
    return false;
  };
  for (const element of document.body.querySelectorAll('*')) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.height === 0 || !element.checkVisibility()) continue;
    if ((box.right > wide + 0.5 || box.left < -0.5) && !clipped(element)) result.outside.push(name(element));
    const says = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!says || ['title', 'desc', 'style'].includes(element.tagName)) continue;
    ++result.texts;
    const style = getComputedStyle(element);
    const svg = element instanceof SVGElement;
    const ink = luminance(channels(svg ? style.fill : style.color).rgb);
    const paper = luminance(behind(element));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < 4.5) result.faint.push(name(element) + ' ' + ratio.toFixed(2));
    const scale = svg ? element.getScreenCTM().a : 1;
    if (parseFloat(style.fontSize) * scale < 10) result.small.push(name(element));
  }
  return result;
})()
